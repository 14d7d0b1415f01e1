"""What a streamed chunk costs in CPU on its way: through Envoy alone, and through Envoy, the relay and Envoy again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psutil

from scheduler.domain.workload import StreamPolicy
from simulations.chaos.load import Client
from simulations.chaos.stage import RESUMED, Process, stage

STREAMS_AT_ONCE = 100


async def relay_cost(folder: Path, seconds: float) -> dict[str, Any]:
    """CPU microseconds per chunk with and without the relay, of the same streams at the same pace."""
    bare = await _measured(folder / "bare", StreamPolicy(), seconds)
    relayed = await _measured(folder / "relayed", RESUMED, seconds)
    return {
        "peer": "the same streams through one Envoy without a relay; nginx is not measured",
        "streams_at_once": STREAMS_AT_ONCE,
        "bare_envoy_us_per_chunk": bare["envoy"],
        "relayed_envoy_us_per_chunk": relayed["envoy"],
        "relay_us_per_chunk": relayed["relay"],
        "relay_of_bare_envoy": round(relayed["relay"] / max(bare["envoy"], 0.01), 2),
    }


async def _measured(folder: Path, policy: StreamPolicy, seconds: float) -> dict[str, float]:
    await asyncio.to_thread(folder.mkdir)
    rate = 20.0
    async with stage(folder, [("--rate", str(rate))] * 2, policy=policy, per_endpoint=STREAMS_AT_ONCE) as raised:
        them, edge = Client(raised.http, [raised.edges[0].url]), raised.edges[0]
        tokens, parts = int(seconds * rate), {"envoy": edge.envoy, "relay": edge.relay_process}
        await them.stream(5)
        before = {name: _cpu_s(process) for name, process in parts.items()}
        await them.steady(STREAMS_AT_ONCE, 1.0, tokens)
        # Role, finish, usage and end are chunks too.
        chunks = STREAMS_AT_ONCE * (tokens + 4)
        return {name: round((_cpu_s(process) - before[name]) * 1e6 / chunks, 1) for name, process in parts.items()}


def _cpu_s(process: Process) -> float:
    if process.running is None:
        return 0.0
    times = psutil.Process(process.running.pid).cpu_times()
    return times.user + times.system
