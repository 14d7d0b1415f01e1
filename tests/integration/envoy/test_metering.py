"""Tokens of every request reach the ledger's rows: through Envoy's access log, streamed or not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scheduler.domain.usage import TokenUsage
from scheduler.edge.metering import AccessLogFollower, usage_rows
from tests.integration.envoy.engines import engines
from tests.integration.envoy.front import config, front_door


async def test_tokens_are_counted_with_and_without_streaming(tmp_path: Path) -> None:
    async with engines("a") as (engine,), front_door(tmp_path, config(engine)) as front:
        engine.events = 5
        for _ in range(3):
            assert (await front.chat()).status_code == 200
        for _ in range(2):
            assert (await front.chat(stream=True)).status_code == 200
        engine.hold_usage = True
        assert (await front.chat(stream=True)).status_code == 200
        assert (await front.chat("nobody")).status_code == 404
        engine.status = 500
        assert (await front.chat()).status_code == 500
        rows = await metered(front.door.access_log, tmp_path / "position", requests=7)
    assert {(row.deployment, row.replica, row.tenant) for row in rows} == {("chat", "r-a", "acme")}
    assert sum(row.requests for row in rows) == 7
    assert sum(row.failures for row in rows) == 1
    assert sum(row.input_tokens for row in rows) == 6 * 11
    assert sum(row.output_tokens for row in rows) == 3 * 7 + 3 * 5


async def metered(path: Path, position: Path, requests: int) -> list[TokenUsage]:
    follower = AccessLogFollower(path, position)
    async with asyncio.timeout(20):
        while len(found := follower.read()) < requests:
            await asyncio.sleep(0.05)
    return usage_rows(found, {"chat": "acme"})
