"""Row multipliers for one deployment: the dual of its linear relaxation, by the simplex method in floats.

Their quality decides how strong a bound is, never whether it holds: the search scales whatever comes from here in integers.
"""

from __future__ import annotations

from scheduler.verifier.rows import Rows

MOST_PIVOTS = 300
EPSILON = 1e-9
PRECISION = 1 << 30


def multipliers(rows: Rows) -> tuple[int, ...]:
    """Non-negative integers, one for each row, in proportion to the dual values; any basis on the way is a valid answer.

    maximise need . w  subject to  coefficients[column] . w <= cost[column],  w >= 0. The origin is feasible, so one phase does.
    """
    count = len(rows.needs)
    scale = [max((abs(column.coefficients[r]) for column in rows.columns), default=0) or 1 for r in range(count)]
    dearest = max((column.cost for column in rows.columns), default=0) or 1
    table = [
        [*(a / s for a, s in zip(column.coefficients, scale, strict=True)), column.cost / dearest + index * 1e-12]
        for index, column in enumerate(rows.columns)
    ]
    gain = [*(need / s for need, s in zip(rows.needs, scale, strict=True)), 0.0]
    basis = _maximise(table, gain, count)
    values = [0.0] * count
    for index, variable in enumerate(basis):
        if variable < count:
            values[variable] = max(0.0, table[index][-1])
    # Only their proportions matter: they are raised together until rounding them down costs nothing.
    return tuple(int(value * PRECISION * (max(scale) / s)) for value, s in zip(values, scale, strict=True))


def _maximise(table: list[list[float]], gain: list[float], count: int) -> list[int]:
    """The simplex method in place, on a table that holds one slack's column only while it is not basic.

    Returns which variable each row of the table stands for: below ``count`` a multiplier, else a slack. Non-basic variables
    share the first ``count`` columns; ``names`` follows who is where.
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
    return basis


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
