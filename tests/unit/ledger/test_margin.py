"""Margin to the micro-USD: revenue by the price book, cost by phase, idle time spread without losing a cent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.usage import NodeUsage, TokenUsage
from scheduler.domain.workload import PriceBook
from scheduler.ledger import margins
from tests.builders import NOW

BOOK = PriceBook(500_000, 1_500_000)


def tokens(deployment: str, given_in: int, given_out: int) -> TokenUsage:
    return TokenUsage(NOW, "t", deployment, "r", 1, 0, given_in, given_out)


def node(deployment: str, phase: str, cost: int) -> NodeUsage:
    return NodeUsage(NOW, "n", deployment, phase, 60.0, cost)


def test_revenue_minus_cost_over_revenue() -> None:
    (row,) = margins([tokens("d", 2_000_000, 1_000_000)], [node("d", "serving", 900_000), node("d", "starting", 100_000)], {"d": BOOK})
    assert (row.revenue_micro_usd, row.cost_micro_usd, row.margin) == (2_500_000, 1_000_000, 0.6)
    assert row.cost_by_phase == (("serving", 900_000), ("starting", 100_000))


def test_without_revenue_there_is_no_margin_rather_than_an_infinite_one() -> None:
    (row,) = margins([], [node("d", "serving", 5)], {"d": None})
    assert (row.revenue_micro_usd, row.margin) == (0, None)


def test_idle_time_is_spread_by_share_and_the_rest_of_the_division_stays_with_the_largest() -> None:
    rows = {row.deployment: row for row in margins([], [node("a", "serving", 1), node("b", "serving", 2), node("", "idle", 10)], {})}
    assert {name: dict(row.cost_by_phase)["idle"] for name, row in rows.items()} == {"a": 3, "b": 7}


def test_idle_time_without_any_owner_is_a_row_of_its_own() -> None:
    (row,) = margins([], [node("", "idle", 10)], {})
    assert (row.deployment, row.cost_micro_usd) == ("", 10)


COSTS = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["serving", "idle", "draining"]), st.integers(0, 10**9)))


@given(COSTS)
def test_the_rows_sum_to_the_whole_bill(costs: list[tuple[str, str, int]]) -> None:
    rows = margins([], [node(*each) for each in costs], {})
    assert sum(row.cost_micro_usd for row in rows) == sum(cost for _, _, cost in costs)
    assert all(row.cost_micro_usd == sum(cost for _, cost in row.cost_by_phase) for row in rows)
