"""The least cost of one deployment's rows, or a lower bound on it: branch and bound over integer columns, in integers only.

Columns are decided one after the other. An open node has decided the first j columns; with multipliers w >= 0 and what is still
needed, what the columns from j on must cost is at least

    t_j * (w . needed),   t_j = min over columns i >= j with w . A_i > 0 of cost_i / (w . A_i),

because t_j w is feasible in the dual of what is left: t_j (w . A_i) <= cost_i for all i >= j. Where w . A_i <= 0 the column only
adds to what is needed. Pure rows that are already met may be dropped, so their need counts as 0. Costs are whole micro-USD, so
the bound is rounded up to the next integer. The open node of the least bound is expanded next, and the deepest of those, so
that when the limit on nodes is reached the least bound of the open nodes bounds the whole: no arithmetic in this file rounds
the other way.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from operator import mul, sub

from scheduler.verifier.cuts import strengthened
from scheduler.verifier.rows import Column, Rows

MOST_NODES = 3_000


@dataclass(frozen=True, slots=True)
class Found:
    """A lower bound in micro-USD per hour; ``exact`` where it is the least cost itself."""

    bound: int
    exact: bool
    nodes: int


def least_cost(rows: Rows, most_nodes: int = MOST_NODES) -> Found:
    """A lower bound on min cost x. Rows that cannot be met have no least cost: the bound is then that of what was searched."""
    columns = undominated(rows)
    if not columns or max(rows.needs, default=0) <= 0:
        return Found(0, True, 0)
    kept, weights = strengthened(Rows(tuple(columns), rows.needs, rows.pure, rows.most))
    return _Search(kept, weights).run(most_nodes)


def undominated(rows: Rows) -> list[Column]:
    """Columns that no other beats: no dearer, no worse in any row, and available in any number that could be wanted.

    A replica of a dominated column can be exchanged for one of the other without changing the number of replicas.
    """
    kept: list[Column] = []
    for column in sorted(rows.columns, key=lambda each: (each.cost, -sum(each.coefficients), -each.most)):
        mine = column.coefficients
        if not any(each.most >= rows.most and all(map(int.__ge__, each.coefficients, mine)) for each in kept):
            kept.append(column)
    return kept


class _Search:
    def __init__(self, rows: Rows, weights: tuple[int, ...]) -> None:
        worth = [sum(map(mul, weights, column.coefficients)) for column in rows.columns]
        # Tight columns first: once they are decided, the rest allow larger multipliers.
        order = sorted(range(len(worth)), key=lambda i: (rows.columns[i].cost / worth[i] if worth[i] > 0 else float("inf"), i))
        self.columns = [rows.columns[i] for i in order]
        self.pure, self.most, self.needs = rows.pure, rows.most, rows.needs
        self.pure_weights, self.mixed_weights = weights[: rows.pure], weights[rows.pure :]
        self.tightest: list[tuple[int, int] | None] = [None]
        for i in reversed(order):
            tight = self.tightest[-1]
            if worth[i] > 0 and (tight is None or rows.columns[i].cost * tight[1] < tight[0] * worth[i]):
                tight = (rows.columns[i].cost, worth[i])
            self.tightest.append(tight)
        self.tightest.reverse()

    def rest(self, depth: int, needed: tuple[int, ...]) -> int | None:
        """What the columns from ``depth`` on must cost at least; None where they cannot meet the needs."""
        total = sum(map(mul, self.pure_weights, (each if each > 0 else 0 for each in needed[: self.pure])))
        if self.mixed_weights:
            total += sum(map(mul, self.mixed_weights, needed[self.pure :]))
        if total <= 0:
            return 0
        tight = self.tightest[depth]
        return None if tight is None else -(-total * tight[0] // tight[1])

    def run(self, most_nodes: int) -> Found:
        """Best bound first, ties to the deeper node."""
        start = self.rest(0, self.needs)
        # (bound, -replicas and columns decided, order of birth, column, taken of it, replicas, cost, still needed)
        heap = [(start or 0, 0, 0, 0, 0, 0, 0, self.needs)] if start is not None else []
        nodes = born = last = 0
        while heap:
            bound, _, _, depth, taken, replicas, cost, needed = heapq.heappop(heap)
            last = bound
            if max(needed) <= 0:
                return Found(bound, True, nodes)
            if nodes >= most_nodes:
                return Found(bound, False, nodes)
            nodes += 1
            if depth == len(self.columns):
                continue
            column = self.columns[depth]
            if taken < column.most and replicas < self.most:
                left = tuple(map(sub, needed, column.coefficients))
                # Once the needs are met nothing more is spent, so the cost itself is the bound.
                more = 0 if max(left) <= 0 else self.rest(depth, left)
                if more is not None:
                    born += 1
                    worth = max(bound, cost + column.cost + more)
                    heapq.heappush(heap, (worth, -depth - replicas - 1, born, depth, taken + 1, replicas + 1, cost + column.cost, left))
            more = self.rest(depth + 1, needed)
            if more is not None:
                born += 1
                heapq.heappush(heap, (max(bound, cost + more), -depth - replicas, born, depth + 1, 0, replicas, cost, needed))
        return Found(last, False, nodes)
