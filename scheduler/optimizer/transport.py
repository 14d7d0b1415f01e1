"""How much traffic a set of placements can take: a small transport program, solved by the simplex method in plain Python.

Kept apart from the solver on purpose: the checker must not trust what it checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EPSILON = 1e-10


def routable(wanted: Sequence[float], replicas: Sequence[float], rates: Mapping[tuple[int, int], float]) -> float:
    """Most tokens/s that can be served; see ``routing``."""
    return sum(routing(wanted, replicas, rates)[0].values())


def routing(
    wanted: Sequence[float], replicas: Sequence[float], rates: Mapping[tuple[int, int], float]
) -> tuple[dict[tuple[int, int], float], list[float]]:
    """A routing that serves the most tokens/s, and what one token/s more wanted would add by demand row (0 or 1, or between).

    Args:
        wanted: tokens/s by demand row.
        replicas: replica count by placement column.
        rates: tokens/s of one replica of the column on that row's traffic; absent where not allowed.

    maximise sum t[r, c]  subject to  sum_c t[r, c] <= wanted[r],  sum_r t[r, c] / rate[r, c] <= replicas[c],  t >= 0.
    The origin is feasible, so one phase suffices. Bland's rule excludes cycling.
    """
    edges = sorted(rates)
    rows = [[*(float(edge[0] == r) for edge in edges), max(0.0, b)] for r, b in enumerate(wanted)]
    rows += [[*((edge[1] == c) / rates[edge] for edge in edges), max(0.0, b)] for c, b in enumerate(replicas)]
    count = len(rows)
    for index, row in enumerate(rows):
        row[-1:-1] = [1.0 if index == slack else 0.0 for slack in range(count)]
    cost = [1.0] * len(edges) + [0.0] * count + [0.0]
    basis = [len(edges) + index for index in range(count)]
    while (entering := next((j for j, value in enumerate(cost[:-1]) if value > EPSILON), None)) is not None:
        ratios = [(row[-1] / row[entering], basis[i], i) for i, row in enumerate(rows) if row[entering] > EPSILON]
        if not ratios:  # unbounded cannot happen: every edge is in a wanted row
            break
        _, _, leaving = min(ratios)
        basis[leaving] = entering
        _pivot(rows, cost, leaving, entering)
    flows = {edges[j]: row[-1] for j, row in zip(basis, rows, strict=True) if j < len(edges) and row[-1] > EPSILON}
    return flows, [max(0.0, -cost[len(edges) + r]) for r in range(len(wanted))]


def _pivot(rows: list[list[float]], cost: list[float], leaving: int, entering: int) -> None:
    pivot = rows[leaving][entering]
    rows[leaving] = [value / pivot for value in rows[leaving]]
    for row in [*(row for i, row in enumerate(rows) if i != leaving), cost]:
        factor = row[entering]
        if factor:
            row[:] = [value - factor * base for value, base in zip(row, rows[leaving], strict=True)]
