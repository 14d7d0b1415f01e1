"""One Envoy as a process, started with the product's own command from the product's own files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeEndpoint, EdgeLocality, EdgeRoute
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.process import envoy_command
from scheduler.edge.publish import FilePublisher
from scheduler.edge.stats import AdminStats
from tests.integration.envoy.engines import Engine


class Front:
    """The running front door and a client of it."""

    def __init__(self, door: FrontDoor, key: str = "", trust: ssl.SSLContext | None = None) -> None:
        self.door = door
        self.publisher = FilePublisher(door)
        self.stats = AdminStats(door.admin_port)
        self.admin = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{door.admin_port}", trust_env=False)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        scheme = "https" if trust else "http"
        self.client = httpx2.AsyncClient(
            base_url=f"{scheme}://127.0.0.1:{door.port}", timeout=90, trust_env=False, headers=headers, verify=trust or True
        )

    async def chat(self, model: str = "chat", *, stream: bool = False, **more: object) -> httpx2.Response:
        return await self.client.post("/v1/chat/completions", json={"model": model, "messages": [], "stream": stream, **more})

    async def publish(self, config: EdgeConfig) -> None:
        """Publish, and wait until Envoy shows every endpoint with the health it is given."""
        await self.publisher.publish(config)
        await self.until_applied(config)

    async def until_applied(self, config: EdgeConfig) -> None:
        wanted = {
            (backend.deployment, endpoint.address): endpoint.draining or endpoint.weight == 0
            for backend in config.backends
            for locality in backend.localities
            for endpoint in locality.endpoints
        }
        async with asyncio.timeout(20):
            while await self._hosts() != wanted or not await self._routes_lead(config):
                await asyncio.sleep(0.05)

    async def _hosts(self) -> dict[tuple[str, str], bool]:
        """Healthy endpoints that take requests (False) and draining ones (True); others are not listed."""
        answer = await self.admin.get("/clusters", params={"format": "json"})
        found = {}
        for cluster in answer.json().get("cluster_statuses", []):
            if cluster["name"] == "control-plane":
                continue
            for host in cluster.get("host_statuses", []):
                health, place = host.get("health_status", {}), host["address"]["socket_address"]
                if not health.get("failed_active_health_check"):
                    found[cluster["name"], f"{place['address']}:{place['port_value']}"] = health.get("eds_health_status") == "DRAINING"
        return found

    async def _routes_lead(self, config: EdgeConfig) -> bool:
        listed = (await self.client.get("/v1/models")).json()
        return {row["id"] for row in listed["data"]} == {route.model_name for route in config.routes}


@contextlib.asynccontextmanager
async def front_door(
    directory: Path, config: EdgeConfig, *, key: str = "", trust: ssl.SSLContext | None = None, **place: Any
) -> AsyncIterator[Front]:
    """Envoy before the given configuration, which is in effect when the block begins. ``place``: more of the front door."""
    front = Front(FrontDoor(directory / "envoy", free_port(), free_port(), directory / "access.log", **place), key, trust)
    await front.publisher.publish(config)
    async with running(front, directory):
        await front.until_applied(config)
        yield front


@contextlib.asynccontextmanager
async def running(front: Front, directory: Path) -> AsyncIterator[None]:
    """Envoy on whatever files were published last."""
    door = front.door
    argv, env = envoy_command(door.directory, os.environ)
    with (directory / "envoy.log").open("wb") as output:
        process = subprocess.Popen(argv, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        await _until_up(front, process, directory / "envoy.log")
        yield
    finally:
        process.terminate()
        process.wait(10)
        await front.client.aclose()
        await front.admin.aclose()
        await front.stats.close()


async def _until_up(front: Front, process: subprocess.Popen[bytes], output: Path) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.poll() is None, output.read_text()
            with contextlib.suppress(httpx2.HTTPError):
                if (await front.client.get("/healthz")).is_success:
                    return
            await asyncio.sleep(0.05)


def config(*engines: Engine, weights: dict[str, int] | None = None, draining: tuple[str, ...] = ()) -> EdgeConfig:
    """One deployment, ``chat``, on the given engines, each in a cluster of its own."""
    return EdgeConfig(
        routes=(EdgeRoute("chat", (("chat", 100),)),), backends=(backend("chat", *engines, weights=weights, draining=draining),)
    )


def backend(deployment: str, *engines: Engine, weights: dict[str, int] | None = None, draining: tuple[str, ...] = ()) -> EdgeBackend:
    shares = weights or {}
    localities = tuple(
        EdgeLocality(
            cluster=f"c-{engine.name}",
            provider="test",
            region="here",
            zone="",
            weight=shares.get(engine.name, 100),
            priority=0,
            endpoints=(EdgeEndpoint(f"r-{engine.name}", engine.address, shares.get(engine.name, 100), engine.name in draining),),
        )
        for engine in engines
    )
    return EdgeBackend(deployment, deployment, localities)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
