"""Money: every paid second has one owner, idle time is spread, and the rows sum to the bill."""

from __future__ import annotations

from datetime import timedelta

from scheduler.domain.lifecycle import NodeState, ReplicaState
from scheduler.domain.usage import NodeUsage, TokenUsage
from scheduler.domain.workload import PriceBook
from scheduler.ledger import NodeMeter, margins
from tests.builders import NOW, node, offer, replica

SHAPE = "m/L4-24GB-PCIex1"


def seconds(rows: list[NodeUsage]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for row in rows:
        found[row.deployment, row.phase] = found.get((row.deployment, row.phase), 0) + row.seconds
    return found


def test_a_node_is_split_by_accelerators_and_the_rest_is_idle() -> None:
    big = node("n1", offer(count=4, usd=4.0), "c")
    meter = NodeMeter(since=NOW)
    rows = meter.sample([big], [replica("r1", big), replica("r2", big, deployment="e")], {SHAPE: 1}, NOW + timedelta(seconds=30))
    assert seconds(rows) == {("d", "serving"): 7.5, ("e", "serving"): 7.5, ("", "idle"): 15}
    assert sum(row.cost_micro_usd for row in rows) == round(4_000_000 * 30 / 3600 / 4) * 2 + round(4_000_000 * 15 / 3600)


def test_time_is_cut_at_full_minutes_and_grows_within_one() -> None:
    one = node("n1", offer(usd=3.6), "c")
    meter = NodeMeter(since=NOW)
    first = meter.sample([one], [], {}, NOW + timedelta(seconds=40))
    second = meter.sample([one], [], {}, NOW + timedelta(seconds=70))
    assert [(row.minute, row.seconds) for row in first] == [(NOW, 40)]
    assert [(row.minute, row.seconds) for row in second] == [(NOW, 60), (NOW + timedelta(minutes=1), 10)]


def test_the_phase_tells_what_the_time_was_for() -> None:
    joining, ready = node("n1", offer(), "c", state=NodeState.JOINING), node("n2", offer(), "c")
    replicas = [replica("r1", joining, state=ReplicaState.REQUESTED), replica("r2", ready, state=ReplicaState.DRAINING)]
    rows = NodeMeter(since=NOW).sample([joining, ready], replicas, {SHAPE: 1}, NOW + timedelta(seconds=10))
    assert seconds(rows) == {("d", "starting"): 10, ("d", "draining"): 10}


def test_machines_that_do_not_exist_cost_nothing_and_a_long_silence_is_not_guessed() -> None:
    asked = node("n1", offer(), "c", state=NodeState.LAUNCHING)
    meter = NodeMeter(since=NOW)
    assert meter.sample([asked], [], {}, NOW + timedelta(seconds=10)) == []
    assert meter.sample([node("n2", offer(), "c")], [], {}, NOW + timedelta(hours=3)) == []


def test_a_restarted_process_continues_the_minute_it_finds() -> None:
    known = [NodeUsage(NOW, "n1", "", "idle", 20, 0)]
    rows = NodeMeter(known, NOW + timedelta(seconds=20)).sample([node("n1", offer(), "c")], [], {}, NOW + timedelta(seconds=30))
    assert [row.seconds for row in rows] == [30]


def test_idle_cost_is_spread_by_own_cost_and_the_sum_is_kept() -> None:
    nodes = [
        NodeUsage(NOW, "n1", "a", "serving", 60, 300),
        NodeUsage(NOW, "n1", "b", "serving", 60, 100),
        NodeUsage(NOW, "n1", "", "idle", 60, 101),
    ]
    rows = margins([TokenUsage(NOW, "t", "a", "r", 1, 0, 10, 1_000_000)], nodes, {"a": PriceBook(0, 1_000)})
    assert sum(row.cost_micro_usd for row in rows) == 501
    assert [(row.deployment, row.cost_micro_usd, row.revenue_micro_usd) for row in rows] == [("a", 376, 1000), ("b", 125, 0)]
    assert (rows[0].margin, rows[1].margin) == (0.624, None)
