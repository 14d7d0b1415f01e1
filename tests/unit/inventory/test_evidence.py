"""What providers say and what launches taught, as caps and launch budgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.errors import (
    AuthError,
    ProviderDataError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)
from scheduler.domain.evidence import Exposure, LaunchRecord
from scheduler.domain.offer import Availability, Offer
from scheduler.domain.snapshot import LaunchCap
from scheduler.inventory.evidence import MEMORY, WINDOW_MAX, Place, hazard, held_back, launch_budget, launch_cap, learned
from tests.builders import NOW, node, offer

MINUTE = timedelta(minutes=1)
STOCKOUT = StockoutError("aws", "no", "InsufficientInstanceCapacity")


class Memory:
    """Launches one after the other, as the loop learns from them."""

    def __init__(self) -> None:
        self.records: Mapping[str, LaunchRecord] = {}

    def launch(self, where: Offer, error: ProviderError | None, now: datetime = NOW) -> None:
        changed = learned(self.records, node("n", where, "c"), error, now)
        self.records = {**self.records, **{record.scope: record for record in changed}}

    def window(self, where: Offer, now: datetime = NOW) -> int:
        return launch_budget(Place.of_offer(where), self.records, now).window

    def cap(self, where: Offer, now: datetime = NOW) -> LaunchCap:
        found = launch_cap(where, self.records, now, 300)
        assert found is not None
        return found


def test_an_offer_is_asked_for_one_node_then_two_then_four() -> None:
    memory, windows = Memory(), []
    for _ in range(8):
        windows.append(memory.window(offer()))
        memory.launch(offer(), None)
    assert windows == [1, 2, 4, 8, 16, 32, WINDOW_MAX, WINDOW_MAX]


def test_a_stockout_resets_the_budget_and_pauses_five_minutes_doubling_to_two_hours() -> None:
    memory, now, pauses = Memory(), NOW, []
    memory.launch(offer(), None)
    for _ in range(8):
        memory.launch(offer(), STOCKOUT, now)
        budget = launch_budget(Place.of_offer(offer()), memory.records, now)
        assert budget.window == 0
        assert budget.until is not None
        pauses.append((budget.until - now) / MINUTE)
        now = budget.until
        assert memory.window(offer(), now) == 1
    assert pauses == [5, 10, 20, 40, 80, 120, 120, 120]


def test_a_stockout_long_after_the_last_is_the_first_again() -> None:
    memory = Memory()
    memory.launch(offer(), STOCKOUT)
    memory.launch(offer(), STOCKOUT, NOW + 5 * MINUTE + MEMORY)
    (own,) = (record for scope, record in memory.records.items() if scope.startswith("offer:"))
    assert own.strikes == 1


def test_a_quota_holds_back_what_draws_on_it_and_nothing_else() -> None:
    memory, refused = Memory(), offer(name="p5.48xlarge", quota_family="P")
    same = offer(name="p4d.24xlarge", quota_family="P", zone="us-east-1b")
    others = [
        offer(name="g6.xlarge", quota_family="G"),
        offer(name="p4d.24xlarge", quota_family="P", region="us-west-2"),
        offer(name="p4d.24xlarge", quota_family="P", spot=True),
        replace(same, account="research"),
    ]
    memory.launch(refused, QuotaExceededError("aws", "no"))
    assert [memory.window(each) for each in (refused, same)] == [0, 0]
    assert [memory.window(each) for each in others] == [1, 1, 1, 1]
    assert memory.cap(same).until == NOW + 15 * MINUTE
    memory.launch(same, None, NOW + 15 * MINUTE)
    assert memory.window(refused, NOW + 15 * MINUTE) == 1


@pytest.mark.parametrize(
    ("error", "pause"), [(RateLimitedError("aws", "slow", retry_after_s=20), timedelta(seconds=20)), (AuthError("aws", "no"), 10 * MINUTE)]
)
def test_a_rate_limit_or_wrong_credentials_hold_back_the_account(error: ProviderError, pause: timedelta) -> None:
    memory, elsewhere = Memory(), offer(region="eu-west-1")
    memory.launch(offer(), error)
    assert memory.cap(elsewhere).until == NOW + pause
    assert memory.window(replace(elsewhere, account="research")) == 1
    assert memory.window(elsewhere, NOW + pause) == 1


def test_a_transient_error_teaches_nothing_and_a_wrong_order_rests_its_offer() -> None:
    memory = Memory()
    memory.launch(offer(), TransientError("aws", "timeout"))
    assert not memory.records
    memory.launch(offer(), ProviderDataError("aws", "no such image"))
    assert "no such image" in memory.cap(offer()).reason
    assert not [scope for scope in memory.records if scope.startswith("area:")]


def test_after_a_stockout_one_probe_then_what_the_provider_says_again() -> None:
    memory, told = Memory(), replace(offer(), availability=Availability.of_count(9))
    memory.launch(told, STOCKOUT)
    assert (memory.cap(told).nodes, memory.cap(told).until) == (0, NOW + 5 * MINUTE)
    probing = memory.cap(told, NOW + 5 * MINUTE)
    assert (probing.nodes, probing.until) == (1, None)
    assert "InsufficientInstanceCapacity" in probing.reason
    memory.launch(told, None, NOW + 6 * MINUTE)
    assert memory.cap(told, NOW + 6 * MINUTE).nodes == 9
    assert "1 launches worked" in memory.cap(told, NOW + 6 * MINUTE).reason


def test_two_neighbours_that_are_sold_out_make_the_untried_ones_doubtful_for_a_quarter_of_an_hour() -> None:
    memory, zones = Memory(), [offer(zone=f"us-east-1{zone}") for zone in "abc"]
    memory.launch(zones[0], STOCKOUT)
    assert memory.cap(zones[2]).nodes == 4
    memory.launch(zones[1], STOCKOUT)
    assert (memory.cap(zones[2]).nodes, memory.cap(offer(region="eu-west-1")).nodes) == (1, 4)
    assert "2 other offers" in memory.cap(zones[2]).reason
    assert memory.cap(zones[2], NOW + 15 * MINUTE).nodes == 4


def test_a_word_on_stock_grows_old() -> None:
    told = replace(offer(), availability=Availability.of_count(9), observed_at=NOW)
    young, old = Memory().cap(told), Memory().cap(told, NOW + timedelta(seconds=600))
    assert (young.nodes, old.nodes) == (9, 9)
    assert old.confidence == pytest.approx(young.confidence / 4, rel=0.01)


def test_interruptions_of_our_own_nodes_correct_the_published_rate() -> None:
    spot = replace(offer(spot=True), interruptions_per_h=0.05)
    assert hazard(spot, None) == 0.05
    assert hazard(spot, Exposure(0.0, 0)) == 0.05
    assert hazard(spot, Exposure(24.0, 0)) == pytest.approx(0.025)
    assert hazard(spot, Exposure(1000.0, 100)) == pytest.approx(0.1, rel=0.02)
    assert hazard(replace(offer(), interruptions_per_h=None), Exposure(5.0, 5)) is None


def test_what_is_held_back_is_told_with_its_reason() -> None:
    memory = Memory()
    memory.launch(offer(), STOCKOUT)
    ((scope, cap),) = held_back(memory.records, NOW).items()
    assert scope == offer().id
    assert "InsufficientInstanceCapacity" in cap.reason
    assert not held_back(memory.records, NOW + 5 * MINUTE)


@given(st.lists(st.tuples(st.sampled_from(["works", "stockout", "quota", "rate", "transient"]), st.integers(0, 7200)), max_size=40))
def test_a_sold_out_offer_is_never_hammered(history: list[tuple[str, int]]) -> None:
    """However many want to launch: while a pause runs nobody asks, and after it one at a time until one launch works."""
    memory, now = Memory(), NOW
    answers = {"works": None, "stockout": STOCKOUT, "quota": QuotaExceededError("aws", "no"), "rate": RateLimitedError("aws", "no")}
    refused = False
    for outcome, wait_s in history:
        now += timedelta(seconds=wait_s)
        window = memory.window(offer(), now)
        assert window <= (1 if refused else WINDOW_MAX)
        if window == 0 or outcome == "transient":
            continue
        memory.launch(offer(), answers[outcome], now)
        refused = outcome == "stockout" or (refused and outcome != "works")
