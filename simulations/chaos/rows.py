"""The rows of ``headrace bench chaos``: each breaks one thing under load and compares what clients saw with a stated level."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scheduler.domain.workload import StreamPolicy
from simulations.chaos.blackhole import islands, why_not
from simulations.chaos.load import Client, Stream, summary
from simulations.chaos.stage import RESUMED, Engine, Stage, stage

GAP_MS, OFF_S, ELSEWHERE_S, RECOVERY_S = 250, 2.0, 2.0, 5.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much load, and for how long. ``patience_s``: a healthy replica's time to its first token."""

    per_s: float = 40.0
    seconds: float = 8.0
    tokens: int = 60
    rate: float = 40.0
    patience_s: float = 60.0
    many_per_s: float = 100.0

    @property
    def engine(self) -> tuple[str, ...]:
        return ("--rate", str(self.rate))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row. ``level`` is what must hold, in words; "" only measures. ``passed`` is None where the row could not be run."""

    level: str
    figures: dict[str, Any]
    passed: bool | None

    def document(self) -> dict[str, Any]:
        verdict = "measured" if not self.level else "skipped" if self.passed is None else "pass" if self.passed else "miss"
        return {"level": self.level, **self.figures, "verdict": verdict}


Row = Callable[[Path, Scale], Awaitable[Outcome]]


def client_of(raised: Stage) -> Client:
    return Client(raised.http, [edge.url for edge in raised.edges])


async def under_load(them: Client, scale: Scale, strike: Callable[[], Any]) -> list[Stream]:
    """A steady load, struck when a third of it has begun."""
    load = asyncio.create_task(them.steady(scale.per_s, scale.seconds, scale.tokens))
    await asyncio.sleep(scale.seconds / 3)
    struck = strike()
    if isinstance(struck, Awaitable):
        await struck
    return await load


async def _seconds_until_off(raised: Stage, engine: Engine) -> float:
    """How long until no edge holds the engine for healthy."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(60):
        for edge in raised.edges:
            while engine.address in await raised.healthy(edge):  # noqa: ASYNC110 (another process's state)
                await asyncio.sleep(0.02)
    return loop.time() - began


async def replica_killed(folder: Path, scale: Scale) -> Outcome:
    """kill -9 of one of three replicas."""
    async with stage(folder, [scale.engine] * 3) as raised:
        streams = await under_load(client_of(raised), scale, raised.engines[0].process.kill)
        figures = {**summary(streams), "resumed": await raised.counted("headrace_relay_resumed_total")}
    level = f"0 failed, streams resumed, longest gap <= {GAP_MS} ms"
    passed = figures["failed"] == 0 and figures["resumed"] > 0 and figures["longest_gap_ms"] <= GAP_MS
    return Outcome(level, figures, passed)


async def replica_killed_without_resume(folder: Path, scale: Scale) -> Outcome:
    """The same, of a deployment that did not ask for it."""
    async with stage(folder, [scale.engine] * 3, policy=StreamPolicy()) as raised:
        them, on_it = client_of(raised), 0

        async def strike() -> None:
            nonlocal on_it
            async with raised.http.get(f"http://{raised.engines[0].address}/metrics") as answer:
                on_it = int((await answer.text()).split("requests_running ")[1].split()[0])
            raised.engines[0].process.kill()

        figures = {**summary(await under_load(them, scale, strike)), "on_the_replica": on_it}
    # One more may have arrived between the count and the kill.
    return Outcome("failed <= the streams that were on it", figures, figures["failed"] <= on_it + 1)


async def replica_cut_off(folder: Path, scale: Scale) -> Outcome:
    """A black hole before one of three replicas: packets vanish, and nobody is told."""
    level = f"0 failed, off in <= {OFF_S:g} s by health checks"
    if reason := why_not():
        return Outcome(level, {"reason": reason}, None)
    with ExitStack() as opened:
        made = opened.enter_context(islands(3))
        async with stage(folder, [scale.engine] * 3, islands=made) as raised:
            lost = raised.engines[0]

            async def strike() -> float:
                assert lost.island is not None
                lost.island.cut()
                return await _seconds_until_off(raised, lost)

            figures = await _struck(raised, scale, strike)
    return Outcome(level, figures, figures["failed"] == 0 and figures["off_s"] <= OFF_S)


async def _struck(raised: Stage, scale: Scale, strike: Callable[[], Awaitable[float]]) -> dict[str, Any]:
    off_s = 0.0

    async def timed() -> None:
        nonlocal off_s
        off_s = await strike()

    streams = await under_load(client_of(raised), scale, timed)
    return {**summary(streams), "off_s": round(off_s, 2), "resumed": await raised.counted("headrace_relay_resumed_total")}


async def replica_hangs(folder: Path, scale: Scale) -> Outcome:
    """SIGSTOP of one of three replicas, whose connections stay open."""
    async with stage(folder, [scale.engine] * 3) as raised:
        hung = raised.engines[0]

        async def strike() -> float:
            hung.process.send(signal.SIGSTOP)
            return await _seconds_until_off(raised, hung)

        figures = await _struck(raised, scale, strike)
    level = f"off in <= {OFF_S:g} s by health checks, <= 1 failed behind the relay"
    return Outcome(level, figures, figures["off_s"] <= OFF_S and figures["failed"] <= 1)


async def slow_first_token(folder: Path, scale: Scale) -> Outcome:
    """A healthy replica that thinks long before its first token, with a policy that allows far less silence after it."""
    async with stage(folder, [("--first-token", str(scale.patience_s))], policy=replace(RESUMED, silence_s=1.0)) as raised:
        them, edge, ejected = client_of(raised), raised.edges[0], 0
        tasks = [asyncio.create_task(them.stream(10)) for _ in range(10)]
        while not all(task.done() for task in tasks):
            ejected += raised.engines[0].address not in await raised.healthy(edge)
            await asyncio.sleep(0.2)
        figures = {**summary(them.streams), "first_token_s": scale.patience_s, "seen_unhealthy": ejected}
    return Outcome("never ejected, 0 failed", figures, not ejected and figures["failed"] == 0)


async def overload(folder: Path, scale: Scale) -> Outcome:
    """Ten times more requests at once than all slots take."""
    slots, per_endpoint = 8, 8
    async with stage(folder, [(*scale.engine, "--slots", str(slots))] * 2, per_endpoint=per_endpoint) as raised:
        them, edge = client_of(raised), raised.edges[0]
        loop, unhealthy = asyncio.get_running_loop(), 0
        flood = [asyncio.create_task(them.stream(scale.tokens)) for _ in range(10 * 2 * slots)]
        while not all(task.done() for task in flood):
            unhealthy += not {engine.address for engine in raised.engines} <= await raised.healthy(edge)
            await asyncio.sleep(0.1)
        ended = loop.time()
        again = await them.stream(5)
        recovery_s = loop.time() - ended
        figures = {**summary([task.result() for task in flood]), "seen_unhealthy": unhealthy, "recovery_s": round(recovery_s, 2)}
    level = f"0 failed (refused with 429 and Retry-After is no failure), nothing marked down, recovery <= {RECOVERY_S:g} s"
    return Outcome(level, figures, figures["failed"] == 0 and not unhealthy and again.ok and recovery_s <= RECOVERY_S)


async def cluster_gone(folder: Path, scale: Scale) -> Outcome:
    """Both replicas of one cluster killed at once; two of another remain."""
    async with stage(folder, [scale.engine] * 4) as raised:
        struck_at = 0.0

        def strike() -> None:
            nonlocal struck_at
            for engine in raised.engines[:2]:
                engine.process.send(signal.SIGKILL)
            struck_at = asyncio.get_running_loop().time()

        streams = await under_load(client_of(raised), scale, strike)
        late = [stream.ended - struck_at for stream in streams if not stream.ok and stream.ended >= struck_at]
        figures = {**summary(streams), "last_failure_s": round(max(late, default=0.0), 2)}
    return Outcome(f"traffic elsewhere <= {ELSEWHERE_S:g} s, 0 failed behind the relay", figures, figures["failed"] == 0)
