"""The search over one deployment's rows: exact where it ends by itself, a lower bound wherever it is cut short."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.verifier.rows import Column, Rows
from scheduler.verifier.search import least_cost


@st.composite
def small_rows(draw: st.DrawFn) -> Rows:
    pure, mixed = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    signs = st.tuples(*(st.integers(0, 9) for _ in range(pure)), *(st.integers(-5, 5) for _ in range(mixed)))
    most = draw(st.integers(1, 4))
    columns = [Column(draw(st.integers(0, 30)), draw(st.integers(1, most)), draw(signs)) for _ in range(draw(st.integers(1, 4)))]
    needs = (*(draw(st.integers(0, 15)) for _ in range(pure)), *(draw(st.integers(-6, 3)) for _ in range(mixed)))
    return Rows(tuple(columns), needs, pure, most)


def brute(rows: Rows) -> int | None:
    costs = []
    for counts in product(*(range(column.most + 1) for column in rows.columns)):
        reached = [sum(n * c.coefficients[r] for n, c in zip(counts, rows.columns, strict=True)) for r in range(len(rows.needs))]
        if sum(counts) <= rows.most and all(have >= need for have, need in zip(reached, rows.needs, strict=True)):
            costs.append(sum(n * column.cost for n, column in zip(counts, rows.columns, strict=True)))
    return min(costs, default=None)


@given(small_rows(), st.integers(0, 20))
@settings(max_examples=300, deadline=None)
def test_it_finds_the_least_cost_and_bounds_it_when_cut_short(rows: Rows, few: int) -> None:
    least = brute(rows)
    found = least_cost(rows, most_nodes=100_000)
    if least is not None:
        assert found.exact
        assert found.bound == least
        assert least_cost(rows, most_nodes=few).bound <= least
    else:
        assert not found.exact
