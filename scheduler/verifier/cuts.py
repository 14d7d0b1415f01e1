"""Rows that every integer answer satisfies and the linear relaxation does not: mixed-integer rounding.

From a row sum a_j x_j >= b over integer x >= 0, divided by some a_k > 0,

    sum (floor(a_j / a_k) + min(1, f_j / f_0)) x_j >= ceil(b / a_k),   f = the fractional part of a_j / a_k and of b / a_k

follows (Nemhauser and Wolsey, *Integer and Combinatorial Optimization*, II.1.6). Multiplied by a_k f_0 it is one in integers:
sum (floor(a_j / a_k) r + min(r, a_j mod a_k)) x_j >= ceil(b / a_k) r with r = b mod a_k, so nothing is rounded.
"""

from __future__ import annotations

from operator import mul

from scheduler.verifier.multipliers import Dual, dual
from scheduler.verifier.rows import SCALE, Column, Rows

ROUNDS = 6
CUTS_PER_ROUND = 8
LEAST_VIOLATION = 1e-3

Row = tuple[tuple[int, ...], int]


def strengthened(rows: Rows) -> tuple[Rows, tuple[int, ...]]:
    """The rows with cuts added while they raise the relaxation, and its multipliers."""
    answer = dual(rows)
    for _ in range(ROUNDS):
        found = _violated(rows, answer)
        if not found:
            break
        rows = _with(rows, found)
        answer = dual(rows)
    return rows, answer.weights


def _violated(rows: Rows, answer: Dual) -> list[Row]:
    """The most violated cuts, one for each row, by how far the fractional answer misses them."""
    base = [(tuple(column.coefficients[r] for column in rows.columns), need) for r, need in enumerate(rows.needs) if answer.weights[r] > 0]
    if len(base) > 1:
        base.append(_sum_of(base, [weight for weight in answer.weights if weight > 0]))
    fractional = [k for k, count in enumerate(answer.replicas) if count > 1e-6]
    found: list[tuple[float, Row]] = []
    for a, b in base:
        cuts = [rounded(a, b, a[k]) for k in fractional if a[k] > 0 and b % a[k]]
        missed = [((need - sum(map(mul, cut, answer.replicas))) / need, (cut, need)) for cut, need in cuts if need > 0]
        if missed and (worst := max(missed))[0] > LEAST_VIOLATION:
            found.append(worst)
    return [cut for _, cut in sorted(found, reverse=True)[:CUTS_PER_ROUND]]


def _sum_of(base: list[Row], weights: list[int]) -> Row:
    """All tight rows by their multipliers as one, scaled down; coefficients round up and the need down, which only weakens it."""
    total = [sum(weight * a[j] for (a, _), weight in zip(base, weights, strict=True)) for j in range(len(base[0][0]))]
    need = sum(weight * b for (_, b), weight in zip(base, weights, strict=True))
    unit = max(1, max(map(abs, total)) // SCALE)
    return tuple(-(-each // unit) for each in total), need // unit


def rounded(a: tuple[int, ...], b: int, by: int) -> Row:
    """The row divided by ``by`` > 0 and rounded; ``b`` must not be a multiple of it."""
    r = b % by
    return tuple(each // by * r + min(r, each % by) for each in a), (b // by + 1) * r


def _with(rows: Rows, cuts: list[Row]) -> Rows:
    """Cuts without negative coefficients join the pure rows, the others the mixed ones."""
    pure = [cut for cut in cuts if min(cut[0]) >= 0]
    mixed = [cut for cut in cuts if min(cut[0]) < 0]
    columns = tuple(
        Column(
            column.cost,
            column.most,
            (*column.coefficients[: rows.pure], *(a[j] for a, _ in pure), *column.coefficients[rows.pure :], *(a[j] for a, _ in mixed)),
        )
        for j, column in enumerate(rows.columns)
    )
    needs = (*rows.needs[: rows.pure], *(b for _, b in pure), *rows.needs[rows.pure :], *(b for _, b in mixed))
    return Rows(columns, needs, rows.pure + len(pure), rows.most)
