"""Node time by minute: every paid second belongs to exactly one phase of one deployment, or is idle."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.lifecycle import NodeState, ReplicaState
from scheduler.ledger import NodeMeter
from tests.builders import NOW, node, offer, replica

BIG = offer(count=4, usd=3.6)
HOST = node("n1", BIG, "aws-us-east-1")
SHARES = {"m/L4-24GB-PCIex1": 1, "wide": 2}


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_node_is_split_by_accelerators_and_the_rest_is_idle() -> None:
    meter = NodeMeter(since=NOW)
    rows = meter.sample([HOST], [replica("a", HOST, shape="wide"), replica("b", HOST, deployment="e")], SHARES, at(30))
    assert {(r.deployment, r.phase): r.seconds for r in rows} == {("d", "serving"): 15, ("e", "serving"): 7.5, ("", "idle"): 7.5}
    assert sum(row.cost_micro_usd for row in rows) == 30_000, "3.60 USD/h for 30 s"


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (ReplicaState.STARTING, "starting"),
        (ReplicaState.READY, "serving"),
        (ReplicaState.SUSPECT, "serving"),
        (ReplicaState.DRAINING, "draining"),
        (ReplicaState.STOPPING, "draining"),
    ],
)
def test_the_phase_says_what_the_time_was_for(state: ReplicaState, phase: str) -> None:
    rows = NodeMeter(since=NOW).sample([HOST], [replica("a", HOST, state=state)], SHARES, at(10))
    assert {row.phase for row in rows if row.deployment == "d"} == {phase}


def test_a_node_that_nobody_pays_for_is_not_billed() -> None:
    asked = node("n2", BIG, "aws-us-east-1", state=NodeState.LAUNCHING)
    assert not NodeMeter(since=NOW).sample([asked], [], SHARES, at(10))


def test_an_interval_is_cut_at_full_minutes() -> None:
    rows = NodeMeter(since=at(50)).sample([HOST], [], SHARES, at(70))
    assert [(row.minute, row.seconds) for row in rows] == [(NOW, 10), (at(60), 10)]


def test_a_restarted_process_continues_the_minute_it_finds() -> None:
    first = NodeMeter(since=NOW).sample([HOST], [], SHARES, at(20))
    (row,) = NodeMeter(first, since=at(20)).sample([HOST], [], SHARES, at(30))
    assert row.seconds == 30


def test_a_long_silence_is_not_billed_by_guesswork() -> None:
    meter = NodeMeter(since=NOW)
    assert not meter.sample([HOST], [], SHARES, at(3601))
    assert meter.sample([HOST], [], SHARES, at(3611))[0].seconds == 10


@given(st.lists(st.floats(0.01, 200), min_size=1, max_size=30), st.integers(0, 6))
def test_all_rows_together_are_the_time_that_passed(gaps: list[float], crowd: int) -> None:
    meter, now = NodeMeter(since=NOW), NOW
    seconds: dict[tuple[datetime, str, str], float] = defaultdict(float)
    for gap in gaps:
        now += timedelta(seconds=gap)
        for row in meter.sample([HOST], [replica(f"r{i}", HOST) for i in range(crowd)], SHARES, now):
            seconds[row.minute, row.deployment, row.phase] = row.seconds
    assert sum(seconds.values()) == pytest.approx((now - NOW).total_seconds(), abs=1e-3)
    assert all(value <= 60 + 1e-6 for value in seconds.values())
