"""What the fleet costs and earns, and why it is where it is: told with numbers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.clients import Fleet, asking
from tests.e2e.running import RunningDemo, until

pytestmark = pytest.mark.timeout(300)


async def test_margin_shows_tokens_revenue_and_cost_of_every_deployment(demo: RunningDemo, fleet: Fleet) -> None:
    async with asking(demo.front_door, "chat") as chat, asking(demo.front_door, "batch") as batch:
        await chat.answers_more(3)
        await batch.answers_more(3)

        async def billed() -> dict[str, Any] | None:
            rows = {row["deployment"]: row for row in await fleet.get("/v1/margin", hours=1)}
            whole = all(rows.get(name, {}).get("requests", 0) >= 3 and rows[name]["cost_usd"] > 0 for name in ("chat", "batch"))
            return rows if whole else None

        rows = await until(billed, "metered tokens and node time of both deployments", 60)
    for name in ("chat", "batch"):
        row = rows[name]
        assert row["output_tokens"] > 0
        assert row["input_tokens"] > 0
        assert row["revenue_usd"] > 0
        assert row["cost_usd_by_phase"].get("serving", 0) > 0
        assert row["margin"] == pytest.approx((row["revenue_usd"] - row["cost_usd"]) / row["revenue_usd"], abs=1e-3)
    assert not chat.failures
    assert not batch.failures
    assert {row["deployment"] for row in demo.cli("margin", "--hours", "1")} >= {"chat", "batch"}


def test_explain_gives_reasons_with_numbers_for_and_against(demo: RunningDemo) -> None:
    told = demo.cli("explain", "chat")
    verdicts = {verdict: [reason for reason in told["reasons"] if reason["verdict"] == verdict] for verdict in ("chosen", "rejected")}
    assert verdicts["chosen"]
    assert verdicts["rejected"]
    assert all(re.search(r"\d", reason["text"]) for reason in verdicts["chosen"])
    assert all(reason["text"] for reason in told["reasons"])
    assert any(re.search(r"\d", reason["would_change"]) for reason in verdicts["rejected"])
    assert 0 <= told["gap"] < 1
    assert 0 < told["bound_usd_per_h"] <= told["cost_usd_per_h"] + 1e-6
