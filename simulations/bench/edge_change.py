"""How long a change takes from being published to being felt by requests, in two front doors that are told over xDS."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import httpx2

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeEndpoint, EdgeLocality, EdgeRoute
from scheduler.edge.envoy import XdsSource, remote_bootstrap
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.xds import XdsServer
from simulations.bench.edge_bare import bare_bootstrap, envoy, free_port

_TOKEN = "bench"  # noqa: S105 (of front doors that live as long as this run)
_TIMES = 10
_LIMIT_S = 180.0


async def change_times(deployments: int, each: int) -> dict[str, list[float]]:
    """Milliseconds until both front doors act on it: other endpoints for a deployment, and one more name."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-xds-") as folder:
        root, ports = Path(folder), (free_port(), free_port())
        server = XdsServer(FrontDoor(root, 1, 1, Path("/dev/null")), lambda: 1, _TOKEN)
        # Whole 127.0.0.0/8 is this machine: every endpoint has an address of its own, and two Envoys answer for them all.
        with envoy(root / "a", bare_bootstrap(ports[0], None, "0.0.0.0", "a")):  # noqa: S104
            with envoy(root / "b", bare_bootstrap(ports[1], None, "0.0.0.0", "b")):  # noqa: S104
                config = _world(deployments, each, ports)
                await server.publish(config)
                xds = await server.start("127.0.0.1", 0)
                try:
                    return await _with_doors(root, server, xds, config)
                finally:
                    await server.stop()


def _world(deployments: int, each: int, ports: tuple[int, int]) -> EdgeConfig:
    names = [f"d{number:05}" for number in range(deployments)]
    backends = []
    for number, name in enumerate(names):
        endpoints = tuple(
            EdgeEndpoint(
                f"{name}-{which}", f"127.{1 + which}.{number // 250}.{1 + number % 250}:{ports[min(which, 1)]}", 100 if which == 0 else 0
            )
            for which in range(each)
        )
        backends.append(EdgeBackend(name, name, (EdgeLocality("here", "bench", "here", "", 100, 0, endpoints),)))
    return EdgeConfig(tuple(EdgeRoute(name, ((name, 100),)) for name in names), tuple(backends))


async def _with_doors(root: Path, server: XdsServer, xds: int, config: EdgeConfig) -> dict[str, list[float]]:
    doors = [FrontDoor(root / name, free_port(), free_port(), root / f"{name}.log") for name in ("one", "two")]
    async with contextlib.AsyncExitStack() as stack:
        for door in doors:
            stack.enter_context(envoy(door.directory, remote_bootstrap(door, XdsSource((f"127.0.0.1:{xds}",), _TOKEN))))
        clients = [
            await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{door.port}", trust_env=False, timeout=30))
            for door in doors
        ]
        last = config.backends[-1].deployment
        await _until(clients, last, "a")
        moved = []
        for turn in range(_TIMES):
            config = replace(config, backends=(*config.backends[:-1], _swapped(config.backends[-1])))
            moved.append(await _timed(server, config, clients, last, "ba"[turn % 2]))
        named = []
        for turn in range(_TIMES):
            config = replace(config, routes=(*config.routes, EdgeRoute(f"new-{turn}", ((last, 100),))))
            named.append(await _timed(server, config, clients, f"new-{turn}", "a"))
    return {"endpoints_of_a_deployment": moved, "one_more_name": named}


def _swapped(backend: EdgeBackend) -> EdgeBackend:
    (place,) = backend.localities
    first, second, *rest = place.endpoints
    turned = (replace(first, weight=second.weight), replace(second, weight=first.weight), *rest)
    return replace(backend, localities=(replace(place, endpoints=turned),))


async def _timed(server: XdsServer, config: EdgeConfig, clients: list[httpx2.AsyncClient], model: str, answer: str) -> float:
    await asyncio.sleep(0.5)
    began = time.perf_counter()
    await server.publish(config)
    await _until(clients, model, answer)
    return round(1000 * (time.perf_counter() - began), 1)


async def _until(clients: list[httpx2.AsyncClient], model: str, answer: str) -> None:
    async def one(client: httpx2.AsyncClient) -> None:
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                told = await client.post("/v1/chat/completions", headers={"x-headrace-model": model}, json={})
                if told.status_code == 200 and told.json()["id"] == answer:
                    return
            await asyncio.sleep(0.002)

    async with asyncio.timeout(_LIMIT_S):
        await asyncio.gather(*(one(client) for client in clients))
