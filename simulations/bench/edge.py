"""The front door with every feature on, beside bare Envoy with one static cluster: same machine, backend and run.

Reported: processor time for each request, throughput, and how long a change of configuration takes to reach requests.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeEndpoint, EdgeKeys, EdgeLimit, EdgeLocality, EdgeRoute
from scheduler.edge.envoy import XdsSource, remote_bootstrap
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.signing import load_signer
from scheduler.edge.xds import XdsServer
from simulations.bench.edge_bare import bare_bootstrap, envoy, free_port
from simulations.bench.edge_change import change_times

SIZES = (2 * 1024, 64 * 1024)
WAYS = ("body", "header", "path")
CONNECTIONS = 24
_MODEL = "d00000"


def run(deployments: int, seconds: float, rounds: int) -> dict[str, Any]:
    """All figures. ``deployments`` is how many models the front door knows; five endpoints each where changes are timed."""
    samples = asyncio.run(_requests(deployments, seconds, rounds))
    return {
        "models": deployments,
        "connections": CONNECTIONS,
        "seconds_each": seconds,
        "rounds": rounds,
        "ratios_to_bare_envoy": {str(size): _ratios(samples[size]) for size in SIZES},
        "samples": {str(size): samples[size] for size in SIZES},
        "change_to_effect_ms": asyncio.run(change_times(deployments, 5)),
    }


async def _requests(deployments: int, seconds: float, rounds: int) -> dict[int, dict[str, list[dict[str, float]]]]:
    with tempfile.TemporaryDirectory(prefix="headrace-bench-edge-") as folder, ExitStack() as stack:
        root = Path(folder)
        backend, bare = free_port(), free_port()
        stack.enter_context(envoy(root / "backend", bare_bootstrap(backend, None)))
        bare_pid = stack.enter_context(envoy(root / "bare", bare_bootstrap(bare, backend)))
        door = FrontDoor(root / "front", free_port(), free_port(), root / "access.log")
        signer = load_signer(root / "key.pem")
        key = signer.sign("k-bench", "bench", datetime.now(tz=UTC))  # noqa: TID251 (Envoy compares with the real clock)
        config = replace(_world(deployments, backend), keys=EdgeKeys(signer.jwks, ("k-old",)), limits=(EdgeLimit("bench", 10**6, 10**6),))
        server = XdsServer(door, lambda: 1, "bench")
        await server.publish(config)
        source = XdsSource((f"127.0.0.1:{await server.start('127.0.0.1', 0)}",), "bench")
        front_pid = stack.enter_context(envoy(door.directory, remote_bootstrap(door, source)))
        try:
            await asyncio.to_thread(_wait_until_served, door.port, key)
            targets = {"bare": (bare, bare_pid), **dict.fromkeys(WAYS, (door.port, front_pid))}
            return await asyncio.to_thread(_measure, targets, key, seconds, rounds)
        finally:
            await server.stop()


def _world(deployments: int, backend: int) -> EdgeConfig:
    place = EdgeLocality("here", "bench", "here", "", 100, 0, (EdgeEndpoint("r0", f"127.0.0.1:{backend}", 100),))
    names = [f"d{number:05}" for number in range(deployments)]
    backends = tuple(EdgeBackend(name, name, (place,) if name == _MODEL else ()) for name in names)
    return EdgeConfig(tuple(EdgeRoute(name, ((name, 100),)) for name in names), backends)


def _wait_until_served(port: int, key: str) -> None:
    deadline = time.monotonic() + 90
    headers = {"authorization": f"Bearer {key}", "x-headrace-model": _MODEL}
    while time.monotonic() < deadline:
        try:
            url = f"http://127.0.0.1:{port}/v1/chat/completions"
            if httpx2.post(url, headers=headers, json={}, trust_env=False).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the front door did not serve its model within 90 s")


def _measure(targets: dict[str, tuple[int, int]], key: str, seconds: float, rounds: int) -> dict[int, dict[str, list[dict[str, float]]]]:
    """Rounds alternate between the targets, so that a slow phase of the machine meets all of them."""
    samples: dict[int, dict[str, list[dict[str, float]]]] = {size: {name: [] for name in targets} for size in SIZES}
    for size in SIZES:
        for _ in range(rounds):
            for name, (port, pid) in targets.items():
                samples[size][name].append(_sample(name, port, pid, key, size, seconds))
    return samples


def _sample(name: str, port: int, pid: int, key: str, size: int, seconds: float) -> dict[str, float]:
    body = json.dumps({"model": _MODEL, "messages": [{"role": "user", "content": "x" * size}]})
    path = f"/m/{_MODEL}/v1/chat/completions" if name == "path" else "/v1/chat/completions"
    lines = [f"POST {path} HTTP/1.1", "host: bench", "content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"authorization: Bearer {key}"] + ([f"x-headrace-model: {_MODEL}"] if name == "header" else [])
    order = {"port": port, "head": "\r\n".join(lines) + "\r\n\r\n", "body": body, "connections": CONNECTIONS, "seconds": seconds}
    process = psutil.Process(pid)
    before = process.cpu_times()
    argv = [sys.executable, "-m", "simulations.bench.edge_load"]
    told = json.loads(subprocess.run(argv, input=json.dumps(order), capture_output=True, text=True, check=True).stdout)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return {
        "requests_per_s": round(told["answers"] / told["seconds"], 1),
        "cpu_us_per_request": round(1e6 * used / max(1, told["answers"]), 2),
        "refusals": told["refusals"],
        "lost": told["lost"],
        "load_cpu_share": round(told["own_cpu_share"], 2),
    }


def _ratios(samples: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    def middle(name: str, figure: str) -> float:
        return statistics.median(each[figure] for each in samples[name])

    return {
        way: {
            "cpu_per_request": round(middle(way, "cpu_us_per_request") / middle("bare", "cpu_us_per_request"), 3),
            "throughput": round(middle(way, "requests_per_s") / middle("bare", "requests_per_s"), 3),
        }
        for way in WAYS
    }
