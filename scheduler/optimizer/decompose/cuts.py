"""Rounded rows that bring the relaxation of a covering question close to its integer answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from scheduler.optimizer.decompose.arrays import EPSILON, Flags, Floats, Ints

MIXED_MAX = 6
"""Counting rows with a larger right side gain little from being mixed with a ceiling."""
MIXED_COUNT = 10

Loss: TypeAlias = tuple[Floats, float, Ints]
"""(coefficients float64 [column], wish, domain int64 [column], -1 where no loss takes it): the wish holds after each single loss."""


def strengthen(a: Floats, e: Floats, b: Floats, covering: Flags, losses: Sequence[Loss]) -> tuple[Floats, Floats, Floats, Flags]:
    """Add mixed-integer rounding cuts of every covering row; the original rows stay first.

    For a divisor d, with f = frac(b / d):  sum (floor(a / d) + min(1, frac(a / d) / f)) x + e / (d f) y >= ceil(b / d)
    (Nemhauser and Wolsey 1990). A divisor above b clips coefficients; a coefficient as divisor counts replicas of that kind.

    The rows of one kind of loss, one for each of n domains, add up to n - 1 times every column that some loss takes; divided by
    n - 1 and rounded they ask for one replica more than any single loss leaves needed.
    """
    cuts = [(a, e, b)]
    for i in np.flatnonzero(covering & (b > EPSILON)):
        cuts += [_rounded_row(a[i], e[i], float(b[i]), d) for d in _divisors(a[i], float(b[i]))]
    for wish, right, domain in losses:
        count = len(np.unique(domain[(wish > EPSILON) & (domain >= 0)]))
        if count > 1 and right > EPSILON:
            cuts += _aggregated(wish, right, np.where(domain >= 0, 1.0, count / (count - 1)), count / (count - 1))
    counting = _distinct(cuts[1:])
    few = sorted((cut for cut in counting if cut[2][0] <= MIXED_MAX), key=lambda cut: float(cut[2][0]))[:MIXED_COUNT]
    ceilings = np.flatnonzero(~covering & (b == 0.0) & (a < 0.0).any(axis=1))
    mixed = [_mixed(a[i], *cut) for i in ceilings for cut in few]
    rows, elastic, wishes = zip(cuts[0], *counting, *_distinct(mixed), strict=True)
    flags = np.concatenate([covering, *((each[0] >= 0.0).all(keepdims=True) for each in rows[1:])])
    return np.ascontiguousarray(np.vstack(rows)), np.ascontiguousarray(np.vstack(elastic)), np.concatenate(wishes), flags


Row: TypeAlias = tuple[Floats, Floats, Floats]


def _distinct(cuts: Sequence[Row]) -> list[Row]:
    """Each cut once; those that differ by a factor are the same."""
    found: dict[bytes, Row] = {}
    for row, elastic, right in cuts:
        if right[0] > EPSILON:
            found.setdefault(np.round(row[0] / right[0], 9).tobytes(), (row, elastic, right))
    return list(found.values())


def _divisors(a: Floats, b: float) -> set[float]:
    values = np.unique(np.round(a[a > EPSILON], 9))
    return {b, b / 2, b / 3, *(float(value) for value in values if value < b)}


def _rounded_row(a: Floats, e: Floats, b: float, d: float) -> Row:
    f = b / d - np.floor(b / d + 1e-9)
    f = 1.0 if f < 1e-6 else f
    whole = np.floor(a / d + 1e-9)
    part = np.maximum(0.0, a / d - whole)
    right = np.ceil(b / d - 1e-9)
    row = whole + np.minimum(1.0, part / f)
    if (a >= 0.0).all():  # with nothing that takes away, one replica never needs to count for more than the whole
        row = np.minimum(right, row)
    return row[None, :], (e / (d * f))[None, :], np.array([right])


def _aggregated(wish: Floats, right: float, weight: Floats, share: float) -> list[Row]:
    """Rounded once with each divisor, and again after the sum over the losses."""
    found = []
    for d in _divisors(wish, right):
        rounded, elastic, least = _rounded_row(wish, np.array([right]), right, d)
        found.append(_rounded_row(rounded[0] * weight, elastic[0] * share, float(least[0]) * share, 1.0))
    return found


def _mixed(ratio: Floats, row: Floats, e: Floats, right: Floats) -> Row:
    """A counting row and a ceiling together, rounded: of so many replicas at least so many must be of the other kind."""
    against = -ratio.min()
    both = ratio + against * row[0]
    return _rounded_row(both, e[0] * against, float(right[0] * against), 1.0)
