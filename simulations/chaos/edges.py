"""Rows that strike what stands before the replicas: a relay, an Envoy; and the one that moves all traffic on purpose."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulations.chaos.load import Client, summary
from simulations.chaos.rows import Outcome, Scale, client_of, under_load
from simulations.chaos.stage import Engine, Stage, stage


async def relay_killed(folder: Path, scale: Scale) -> Outcome:
    """kill -9 of one of two relays: what was on it breaks, everything new goes around it."""
    return await _one_of_two(folder, scale, lambda raised: raised.edges[0].relay_process.kill())


async def envoy_killed(folder: Path, scale: Scale) -> Outcome:
    """kill -9 of one of two Envoys: clients of the other notice nothing."""
    return await _one_of_two(folder, scale, lambda raised: raised.edges[0].envoy.kill(), whole=True)


async def _one_of_two(folder: Path, scale: Scale, strike: Callable[[Stage], None], *, whole: bool = False) -> Outcome:
    """``whole``: the first edge is gone altogether, so that only clients of the second can be served after the strike."""
    async with stage(folder, [scale.engine] * 2, edges=2) as raised:
        struck_at = 0.0
        first, second = (Client(raised.http, [edge.url]) for edge in raised.edges)

        def struck() -> None:
            nonlocal struck_at
            strike(raised)
            struck_at = asyncio.get_running_loop().time()

        half = replace(scale, per_s=scale.per_s / 2)
        other = asyncio.create_task(second.steady(half.per_s, half.seconds, half.tokens))
        mine = await under_load(first, half, struck)
        others = await other
    on_it = [stream for stream in mine if stream.began < struck_at <= stream.ended]
    after = [stream for stream in mine if stream.began >= struck_at]
    figures: dict[str, Any] = {"on_it_failed": summary(on_it)["failed"], "on_it": len(on_it), "others": summary(others)}
    passed = figures["others"]["failed"] == 0
    if not whole:
        figures["after"] = summary(after)
        passed = passed and figures["after"]["failed"] == 0
    return Outcome("0 failed through the other" + ("" if whole else ", 0 failed after the kill through the same edge"), figures, passed)


async def planned_shift(folder: Path, scale: Scale) -> Outcome:
    """All traffic from one set of replicas to another, drained, then stopped."""
    async with stage(folder, [scale.engine] * 2) as raised:
        them, old = client_of(raised), list(raised.engines)

        async def strike() -> None:
            for number in (2, 3):
                raised.add_engine(f"e{number}", *scale.engine)
            await raised.publish()
            await raised.until_ready()
            for engine in old:
                engine.draining = True
            await raised.publish()
            async with asyncio.timeout(120):
                while await _running(raised, old):  # noqa: ASYNC110 (another process's state)
                    await asyncio.sleep(0.1)
            for engine in old:
                engine.process.send(signal.SIGTERM)

        figures = summary(await under_load(them, replace(scale, per_s=scale.many_per_s), strike))
        figures["streams_per_s"] = scale.many_per_s
    return Outcome("0 failed, 0 broken", figures, figures["failed"] == 0)


async def _running(raised: Stage, engines: list[Engine]) -> int:
    running = 0
    for engine in engines:
        async with raised.http.get(f"http://{engine.address}/metrics") as answer:
            running += int((await answer.text()).split("requests_running ")[1].split()[0])
    return running
