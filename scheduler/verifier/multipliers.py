"""Row multipliers for one deployment: the dual of its linear relaxation, by the simplex method in floats.

Their quality decides how strong a bound is, never whether it holds: the search scales whatever comes from here in integers.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from scheduler.verifier.rows import Rows

MOST_PIVOTS = 300
EPSILON = 1e-9
PRECISION = 1 << 30
COLUMNS_AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class Dual:
    """An answer of the relaxation.

    Attributes:
        weights: non-negative integers, one for each row, in proportion to the dual values.
        replicas: the fractional number of each column that goes with them, only to see where a cut would help.
    """

    weights: tuple[int, ...]
    replicas: tuple[float, ...]


def dual(rows: Rows) -> Dual:
    """The dual of the linear relaxation; any basis on the way to it is a valid answer.

    maximise need . w  subject to  coefficients[column] . w <= cost[column],  w >= 0. The origin is feasible, so one phase does.
    """
    table = _Table(rows)
    chosen = table.first()
    while True:
        weights, replicas = table.solve(chosen)
        missed = table.missed(weights, chosen)
        if not missed:
            return Dual(table.integers(weights), replicas)
        chosen += missed


class _Table:
    """The relaxation in floats, each row scaled to coefficients of at most 1 and costs to at most 1."""

    def __init__(self, rows: Rows) -> None:
        count = len(rows.needs)
        self.scale = [max((abs(column.coefficients[r]) for column in rows.columns), default=0) or 1 for r in range(count)]
        dearest = max((column.cost for column in rows.columns), default=0) or 1
        self.columns = [[a / s for a, s in zip(column.coefficients, self.scale, strict=True)] for column in rows.columns]
        self.costs = [column.cost / dearest + index * 1e-12 for index, column in enumerate(rows.columns)]
        self.needs = [need / s for need, s in zip(rows.needs, self.scale, strict=True)]

    def first(self) -> list[int]:
        """For every row the columns that serve it cheapest: with them every multiplier is bounded."""
        found: set[int] = set()
        for r in range(len(self.needs)):
            able = [(self.costs[j] / column[r], j) for j, column in enumerate(self.columns) if column[r] > 0]
            found.update(j for _, j in heapq.nsmallest(2, able))
        return sorted(found)

    def solve(self, chosen: list[int]) -> tuple[list[float], tuple[float, ...]]:
        """The best multipliers under these columns alone, and how many of each column go with them."""
        count = len(self.needs)
        table = [[*self.columns[j], self.costs[j]] for j in chosen]
        gain = [*self.needs, 0.0]
        names, basis = _maximise(table, gain, count)
        weights, replicas = [0.0] * count, [0.0] * len(self.columns)
        for index, variable in enumerate(basis):
            if variable < count:
                weights[variable] = max(0.0, table[index][-1])
        for position, variable in enumerate(names):
            if variable >= count:
                replicas[chosen[variable - count]] = max(0.0, -gain[position])
        return weights, tuple(replicas)

    def missed(self, weights: list[float], chosen: list[int]) -> list[int]:
        """Columns left out that these multipliers overcharge, the worst first."""
        tight = [(r, weight) for r, weight in enumerate(weights) if weight > 0]
        over = []
        for j in set(range(len(self.columns))) - set(chosen):
            column = self.columns[j]
            charge = sum(weight * column[r] for r, weight in tight)
            if charge > self.costs[j] + EPSILON:
                over.append((charge / (self.costs[j] + EPSILON), j))
        return [j for _, j in heapq.nlargest(COLUMNS_AT_ONCE, over)]

    def integers(self, weights: list[float]) -> tuple[int, ...]:
        """Only their proportions matter: they are raised together until rounding them down costs nothing."""
        most = max(self.scale, default=1)
        return tuple(int(weight * PRECISION * (most / s)) for weight, s in zip(weights, self.scale, strict=True))


def _maximise(table: list[list[float]], gain: list[float], count: int) -> tuple[list[int], list[int]]:
    """The simplex method in place, on a table that holds one slack's column only while it is not basic.

    Returns which variable stands at each of the first ``count`` columns (not basic) and at each row (basic): below ``count`` a
    multiplier, else a slack.
    """
    names, basis = list(range(count)), [count + index for index in range(len(table))]
    for _ in range(MOST_PIVOTS):
        entering = max(range(count), key=lambda j: gain[j], default=-1)
        if entering < 0 or gain[entering] <= EPSILON:
            break
        leaving, best = -1, 0.0
        for index, row in enumerate(table):
            if row[entering] > EPSILON and (leaving < 0 or row[-1] < best * row[entering]):
                leaving, best = index, row[-1] / row[entering]
        if leaving < 0:
            break
        _pivot(table, gain, leaving, entering)
        names[entering], basis[leaving] = basis[leaving], names[entering]
    return names, basis


def _pivot(table: list[list[float]], gain: list[float], leaving: int, entering: int) -> None:
    pivot = table[leaving][entering]
    base = [value / pivot for value in table[leaving]]
    base[entering] = 1 / pivot
    table[leaving] = base
    for row in [*(row for index, row in enumerate(table) if index != leaving), gain]:
        factor = row[entering]
        if factor:
            row[entering] = 0.0
            row[:] = [value - factor * each for value, each in zip(row, base, strict=True)]
