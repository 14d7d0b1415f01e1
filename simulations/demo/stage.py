"""Raises the stage: Postgres, the market, three Ray heads, Envoy, the control plane and three agents, in the shortest order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx2
import yaml

from scheduler.bootstrap.connect import embedded_postgres
from scheduler.bootstrap.edge import prepare_edge
from scheduler.bootstrap.settings import default_data_dir, load_settings
from scheduler.bootstrap.supervise import ProcessSpec, Supervisor
from scheduler.domain.errors import InvalidInputError
from scheduler.runtime.agent import AgentSettings, agent_command
from scheduler.runtime.head import HeadSettings, head_environment
from simulations.demo.caretaker import dismiss
from simulations.demo.ground import LOOPBACK, Ground, break_ground, write_config

FLEET = Path(__file__).with_name("fleet.yaml")


def demo_fleet() -> dict[str, Any]:
    """The demo's fleet file."""
    document: dict[str, Any] = yaml.safe_load(FLEET.read_text(encoding="utf-8"))
    return document


@dataclass(frozen=True, slots=True)
class Stage:
    """A running demo."""

    ground: Ground
    supervisor: Supervisor
    api: httpx2.AsyncClient
    clusters: tuple[str, ...]

    async def get(self, path: str, **params: Any) -> Any:
        """Read from the control plane."""
        answer = await self.api.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    async def market(self, command: str, **body: Any) -> Any:
        """Do something to the simulated clouds."""
        headers = {"authorization": f"Bearer {self.ground.market_token}"}
        answer = await self.api.post(f"{self.ground.market_url}/admin/{command}", json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()


def prepare(port: int) -> tuple[Ground, Supervisor, tuple[str, ...]]:
    """Choose the ground; nothing is started yet."""
    clusters = tuple(cluster["id"] for cluster in demo_fleet()["clusters"])
    run_dir = Path(os.environ.get("HEADRACE_DATA_DIR") or default_data_dir()) / "run"
    try:
        run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InvalidInputError(
            "HEADRACE_DATA_DIR", str(run_dir), f"cannot be made: {error.strerror}", "Name a writable folder."
        ) from error
    ground = break_ground(clusters, port)
    supervisor = Supervisor(run_dir, ground.folder / "log")
    supervisor.control_url, supervisor.front_door = ground.control_url, ground.front_door
    return ground, supervisor, clusters


async def raise_stage(ground: Ground, supervisor: Supervisor, clusters: tuple[str, ...], seed: int) -> Stage:
    """Start everything; returns when the agents run and the fleet is declared."""
    api = httpx2.AsyncClient(base_url=ground.control_url, timeout=30, trust_env=False)
    stage = Stage(ground, supervisor, api, clusters)
    heads = {cluster: asyncio.create_task(supervisor.start(_head(ground, cluster))) for cluster in clusters}

    async def agent(cluster: str) -> None:
        await heads[cluster]
        await supervisor.start(await _agent(stage, cluster))

    try:
        await asyncio.gather(_postgres(stage), supervisor.start(_market(stage, seed)))
        await asyncio.gather(supervisor.start(_edge(ground)), supervisor.start(_control(stage)))
        await asyncio.gather(_declare(stage), *map(agent, clusters))
    except BaseException:
        for head in heads.values():
            head.cancel()
        raise
    return stage


async def strike(supervisor: Supervisor, caretaker: Popen[bytes]) -> None:
    """Take everything down and leave nothing behind."""
    await supervisor.stop(spare={caretaker.pid})
    await asyncio.to_thread(dismiss, caretaker)


async def _postgres(stage: Stage) -> None:
    settings = load_settings(None, data_dir=stage.ground.folder / "data")
    postgres = embedded_postgres(settings)
    argv = (
        sys.executable, "-m", "scheduler.store.foreground", "--data-dir", str(settings.data_dir / "postgres"),
        "--socket-dir", str(stage.ground.folder / "pg"), "--die-with-parent",
    )  # fmt: skip
    attached = type(postgres)(settings.data_dir / "postgres", stage.ground.folder / "pg")

    async def ready() -> bool:
        return await asyncio.to_thread(attached.answers)

    await stage.supervisor.start(
        ProcessSpec("postgres", "postgres", argv, ready=ready, stop_signal=signal.SIGINT, tied=False, url="unix socket")
    )
    await asyncio.to_thread(attached.start)
    write_config(stage.ground, attached.dsn, sys.executable)


def _market(stage: Stage, seed: int) -> ProcessSpec:
    ground = stage.ground
    argv = (
        sys.executable, "-m", "providers.simulated", "serve", "--state-dir", str(ground.market_dir), "--port", str(ground.market_port),
        "--seed", str(seed), "--volatility", "0", "--terminate-on-exit",
    )  # fmt: skip

    async def ready() -> bool:
        headers = {"authorization": f"Bearer {ground.market_token}"}
        return await _answers(stage.api, f"{ground.market_url}/admin/state", headers)

    env = {"HEADRACE_MARKET_TOKEN": ground.market_token}
    return ProcessSpec("simulated clouds", "market", argv, env, ground.market_port, ground.market_url, ready)


def _head(ground: Ground, cluster: str) -> ProcessSpec:
    port = ground.head_ports[cluster]
    settings = HeadSettings(cluster, ground.folder / cluster[:3], port, token=ground.ray_token)

    async def ready() -> bool:
        try:
            _, writer = await asyncio.open_connection(settings.node_ip, port)
        except OSError:
            return False
        writer.close()
        return True

    argv = (sys.executable, "-m", "scheduler.runtime.head")
    return ProcessSpec("ray head", f"head-{cluster}", argv, head_environment(settings), port, settings.address, ready, ready_within_s=90)


def _edge(ground: Ground) -> ProcessSpec:
    argv, env = prepare_edge(load_settings(ground.config), os.environ)

    async def ready() -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, ground.edge_port)
        except OSError:
            return False
        writer.close()
        return True

    return ProcessSpec("edge", "envoy", tuple(argv), env, ground.edge_port, ground.front_door, ready)


def _control(stage: Stage) -> ProcessSpec:
    ground = stage.ground
    argv = (sys.executable, "-m", "scheduler.cli", "serve", "--config", str(ground.config))
    env = {"HEADRACE_MARKET_TOKEN": ground.market_token, "HEADRACE_RAY_TOKEN": ground.ray_token}

    async def ready() -> bool:
        return await _answers(stage.api, f"{ground.control_url}/readyz", {})

    return ProcessSpec("control plane", "control", argv, env, ground.control_port, ground.control_url, ready)


async def _declare(stage: Stage) -> None:
    """Declare the fleet as soon as the first offers of all clouds are in."""
    document = demo_fleet()
    async with asyncio.timeout(60):
        while True:
            answer = await stage.api.put("/v1/fleet", json=document)
            if answer.is_success:
                return
            if answer.status_code != 422:
                answer.raise_for_status()
            await asyncio.sleep(0.2)


async def _agent(stage: Stage, cluster: str) -> ProcessSpec:
    ground = stage.ground
    made = await stage.api.post("/v1/keys", json={"role": "agent", "subject": cluster})
    made.raise_for_status()
    address = HeadSettings(cluster, ground.folder / cluster[:3], ground.head_ports[cluster]).address
    argv, env = agent_command(AgentSettings(cluster, ground.control_url, made.json()["secret"], address, ground.ray_token))
    return ProcessSpec("agent", f"agent-{cluster}", tuple(argv), env)


async def _answers(api: httpx2.AsyncClient, url: str, headers: dict[str, str]) -> bool:
    try:
        return (await api.get(url, headers=headers)).is_success
    except httpx2.HTTPError:
        return False
