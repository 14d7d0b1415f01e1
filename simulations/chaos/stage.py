"""The parts under fault: scripted engines, one or more edges (an Envoy with its relay), each a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeEndpoint, EdgeLocality, EdgeRelay, EdgeRoute
from scheduler.domain.workload import EngineKind, Resume, StreamPolicy
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.process import envoy_command
from scheduler.edge.publish import FilePublisher
from scheduler.runtime.tied import tied_command
from simulations.chaos.blackhole import Island

DEPLOYMENT = "chat"
SEED = 7
SCRIPTED = "simulations.engines.scripted"
RESUMED = StreamPolicy(Resume.GREEDY, hold_s=20.0, silence_s=1.0)


@dataclass
class Process:
    """One process of the stage."""

    name: str
    argv: list[str]
    env: Mapping[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as output:
            argv = tied_command(self.argv, os.getpid())
            self.running = subprocess.Popen(
                argv, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def send(self, number: signal.Signals) -> None:
        if self.running is not None and self.running.poll() is None:
            os.killpg(self.running.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.send(signal.SIGKILL)
        if self.running is not None:
            self.running.wait(10)


@dataclass
class Engine:
    """One scripted engine."""

    name: str
    host: str
    port: int
    control_port: int
    process: Process
    island: Island | None = None
    draining: bool = False

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass
class Edge:
    """One Envoy with the relay beside it."""

    door: FrontDoor
    relay: EdgeRelay
    relay_admin_port: int
    envoy: Process
    relay_process: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.door.port}"


@dataclass
class Stage:
    """Everything that runs, and the policy of the one deployment.

    Attributes:
        program: the module that an engine runs. kind: what the edge is told that it is.
    """

    folder: Path
    http: aiohttp.ClientSession
    policy: StreamPolicy = RESUMED
    per_endpoint: int = 64
    program: str = SCRIPTED
    kind: EngineKind = EngineKind.COMMAND
    engines: list[Engine] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def config(self, edge: Edge, engines: Iterable[Engine] | None = None) -> EdgeConfig:
        """The table of one edge: one cluster for each engine, of equal weight."""
        places = tuple(
            EdgeLocality(
                f"c-{engine.name}", "chaos", "here", "", 100, 0,
                (EdgeEndpoint(engine.name, engine.address, 0 if engine.draining else 100, engine.draining),),
            )
            for engine in (self.engines if engines is None else engines)
        )  # fmt: skip
        backend = EdgeBackend(DEPLOYMENT, DEPLOYMENT, places, self.per_endpoint, stream=self.policy, engine=self.kind.value)
        return EdgeConfig((EdgeRoute(DEPLOYMENT, ((DEPLOYMENT, 100),)),), (backend,), relay=edge.relay)

    async def publish(self, engines: Iterable[Engine] | None = None) -> None:
        """Tell every edge which engines there are."""
        wanted = None if engines is None else list(engines)
        for edge in self.edges:
            await FilePublisher(edge.door).publish(self.config(edge, wanted))

    def add_engine(self, name: str, *options: str, island: Island | None = None) -> Engine:
        """Start an engine; it is not in any table yet."""
        host = island.address if island else "127.0.0.1"
        port, control = free_port(), free_port()
        argv = [sys.executable, "-m", self.program, "--host", host, "--port", str(port), *options]
        if self.program == SCRIPTED:
            argv += ["--control-port", str(control), "--seed", str(SEED)]
        process = Process(name, island.inside(argv) if island else argv, {}, self.folder / f"{name}.log")
        process.start()
        engine = Engine(name, host, port, control, process, island)
        self.engines.append(engine)
        return engine

    async def add_edge(self) -> Edge:
        """Start an Envoy with its relay."""
        number = len(self.edges)
        folder = self.folder / f"edge{number}"
        door = FrontDoor(folder, free_port(), free_port(), self.folder / f"access{number}.log")
        relay, admin = EdgeRelay(f"127.0.0.1:{free_port()}", free_port()), free_port()
        argv, env = envoy_command(folder, os.environ)
        named = {
            "EDGE_ADMIN_PORT": door.admin_port,
            "RELAY": "true",
            "RELAY_PORT": relay.address.rpartition(":")[2],
            "RELAY_ADMIN_PORT": admin,
            "RELAY_RETURN_PORT": relay.return_port,
            "DATA_DIR": self.folder / "data",
        }
        relay_env = {f"HEADRACE_{name}": str(value) for name, value in named.items()}
        carrier = [sys.executable, "-m", "scheduler.cli", "relay"]
        edge = Edge(
            door,
            relay,
            admin,
            Process(f"envoy{number}", argv, env, self.folder / f"envoy{number}.log"),
            Process(f"relay{number}", carrier, relay_env, self.folder / f"relay{number}.log"),
        )
        self.edges.append(edge)
        await FilePublisher(door).publish(self.config(edge))
        edge.envoy.start()
        edge.relay_process.start()
        return edge

    async def until_ready(self) -> None:
        """Until every edge sees its relay and all engines of the table healthy."""
        async with asyncio.timeout(90):
            for edge in self.edges:
                wanted = {engine.address for engine in self.engines if not engine.draining}
                wanted |= {edge.relay.address} if self.policy.relayed else set()
                while not wanted <= await self.healthy(edge) or not await self._relay_sees(edge):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

    async def healthy(self, edge: Edge) -> set[str]:
        """Endpoints that an edge holds for healthy; none where it does not answer."""
        try:
            document = await self.get(f"http://127.0.0.1:{edge.door.admin_port}/clusters?format=json")
        except (aiohttp.ClientError, OSError, ValueError):
            return set()
        return {
            f"{place['address']}:{place['port_value']}"
            for cluster in document.get("cluster_statuses", [])
            for host in cluster.get("host_statuses", [])
            if not (health := host.get("health_status", {})).get("failed_active_health_check") and not health.get("failed_outlier_check")
            for place in [host["address"]["socket_address"]]
        }

    async def _relay_sees(self, edge: Edge) -> bool:
        try:
            async with self.http.get(f"http://127.0.0.1:{edge.relay_admin_port}/health") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def get(self, url: str) -> Any:
        """A JSON document."""
        async with self.http.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
            return await answer.json(content_type=None)

    async def counted(self, name: str) -> float:
        """A series of the relays, summed over relays and labels; a relay that is gone counts nothing."""
        total = 0.0
        for edge in self.edges:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with self.http.get(f"http://127.0.0.1:{edge.relay_admin_port}/metrics") as answer:
                    text = await answer.text()
                total += sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.partition("{")[0] == name)
        return total

    async def fault(self, engine: Engine, name: str) -> None:
        """Switch an engine's fault."""
        async with self.http.post(f"http://127.0.0.1:{engine.control_port}/fault", json={"fault": name}) as answer:
            answer.raise_for_status()


@contextlib.asynccontextmanager
async def stage(folder: Path, engines: Sequence[Sequence[str]], edges: int = 1, **settings: Any) -> AsyncIterator[Stage]:
    """Engines with these options behind this many edges, all seen healthy when the block begins."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http:
        islands: Sequence[Island] = settings.pop("islands", ())
        raised = replace(Stage(folder, http), **settings)
        try:
            for number, options in enumerate(engines):
                raised.add_engine(f"e{number}", *options, island=islands[number] if islands else None)
            for _ in range(edges):
                await raised.add_edge()
            await raised.until_ready()
            yield raised
        finally:
            for process in (*(e.process for e in raised.engines), *(p for e in raised.edges for p in (e.envoy, e.relay_process))):
                process.kill()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
