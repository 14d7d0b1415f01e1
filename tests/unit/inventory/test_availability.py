"""What a provider's word on stock means as a cap."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scheduler.domain.offer import Availability, CapacityType, StockBucket
from scheduler.domain.snapshot import LaunchCap
from scheduler.inventory.availability import cap_from_availability
from tests.builders import offer


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
