"""How evidence of stock, stockouts and quota errors become launch caps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from scheduler.domain.offer import Availability, CapacityType, StockBucket
from scheduler.domain.snapshot import LaunchCap
from scheduler.inventory.availability import (
    STOCKOUT_MEMORY,
    cap_after_stockout,
    cap_from_availability,
    caps_after_quota_error,
    tighter,
)
from tests.builders import NOW, offer


@pytest.mark.parametrize(
    ("said", "nodes"),
    [
        (Availability.of_count(7), 7),
        (Availability.of_count(0), 0),
        (Availability.of_bucket(StockBucket.NONE), 0),
        (Availability.of_bucket(StockBucket.LOW), 2),
        (Availability.of_bucket(StockBucket.MEDIUM), 8),
        (Availability.of_bucket(StockBucket.HIGH), 32),
        (Availability.of_boolean(False), 0),
        (Availability.of_boolean(True), 4),
        (Availability.of_score(0.0), 0),
        (Availability.of_score(0.29), 2),
        (Availability.of_score(0.3), 3),
        (Availability.of_score(1.0), 10),
        (Availability(), 4),
    ],
)
def test_each_kind_of_evidence_has_its_own_reading(said: Availability, nodes: int) -> None:
    cap = cap_from_availability(replace(offer(), availability=said))
    assert cap is not None
    assert cap.nodes == nodes
    assert cap.until is None


def test_unknown_is_not_sold_out_but_hardly_believed() -> None:
    cap = cap_from_availability(offer())
    assert cap == LaunchCap(4, 0.3, "aws tells no stock: a cautious 4")


def test_a_sure_no_is_believed_more_than_a_bare_yes() -> None:
    no = cap_from_availability(replace(offer(), availability=Availability.of_boolean(False)))
    yes = cap_from_availability(replace(offer(), availability=Availability.of_boolean(True)))
    assert no is not None
    assert yes is not None
    assert no.confidence > yes.confidence


@pytest.mark.parametrize("bought", [CapacityType.RESERVED, CapacityType.CAPACITY_BLOCK])
def test_reserved_capacity_is_bounded_by_its_reservation(bought: CapacityType) -> None:
    assert cap_from_availability(replace(offer(), capacity_type=bought)) is None


def test_a_stockout_backs_off_for_five_minutes_doubling_to_two_hours() -> None:
    cap: LaunchCap | None = None
    now, pauses = NOW, []
    for _ in range(8):
        cap = cap_after_stockout(cap, now)
        assert cap.until is not None
        pauses.append((cap.until - now) / timedelta(minutes=1))
        assert cap.nodes == 0
        now = cap.until
    assert pauses == [5, 10, 20, 40, 80, 120, 120, 120]


def test_a_stockout_long_after_the_last_is_the_first_again() -> None:
    first = cap_after_stockout(None, NOW)
    assert first.until is not None
    assert _pause_min(cap_after_stockout(first, first.until + STOCKOUT_MEMORY - timedelta(seconds=1)), first.until + STOCKOUT_MEMORY) > 9
    later = first.until + STOCKOUT_MEMORY
    assert _pause_min(cap_after_stockout(first, later), later) == 5


def test_a_stockout_after_a_quota_error_counts_as_the_first() -> None:
    quota = caps_after_quota_error([], offer(), NOW)[offer().id]
    assert _pause_min(cap_after_stockout(quota, NOW), NOW) == 5


def test_a_quota_error_backs_off_the_family_in_the_region_and_nothing_else() -> None:
    refused = offer(name="p5.48xlarge", quota_family="P")
    same = offer(name="p4d.24xlarge", quota_family="P", zone="us-east-1b")
    others = [
        offer(name="g6.xlarge", quota_family="G"),
        offer(name="p4d.24xlarge", quota_family="P", region="us-west-2"),
        offer(name="p4d.24xlarge", quota_family="P", spot=True),
        replace(same, account="research"),
    ]
    caps = caps_after_quota_error([same, *others], refused, NOW)
    assert caps.keys() == {refused.id, same.id}
    assert {(cap.nodes, cap.until) for cap in caps.values()} == {(0, NOW + timedelta(minutes=15))}


def test_without_a_known_family_a_quota_error_backs_off_the_instance_type() -> None:
    refused, same, other = offer(name="a"), offer(name="a", zone="us-east-1b"), offer(name="b")
    assert caps_after_quota_error([refused, same, other], refused, NOW).keys() == {refused.id, same.id}


def test_the_tighter_cap_holds_and_of_equals_the_learned_one() -> None:
    stock, learned = LaunchCap(4, 0.5, "says"), LaunchCap(0, 1.0, "tried")
    assert tighter(stock, learned) is learned
    assert tighter(stock, replace(learned, nodes=9)) is stock
    assert tighter(replace(stock, nodes=0), learned) is learned
    assert tighter(stock, None) is stock
    assert tighter(None, learned) is learned
    assert tighter(None, None) is None


def _pause_min(cap: LaunchCap, now: datetime) -> float:
    assert cap.until is not None
    return (cap.until - now) / timedelta(minutes=1)
