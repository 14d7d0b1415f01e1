"""Logarithmic axes of the plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Axis = Callable[[float], float]


def scale(values: Sequence[float], first: float, last: float) -> Axis:
    """From a positive value to its place between two points, with a margin at both ends."""
    low, high = math.log(min(values)), math.log(max(values))
    inset = (last - first) * 0.06
    begin, end = first + inset, last - inset

    def at(value: float) -> float:
        return begin + (end - begin) * ((math.log(value) - low) / (high - low) if high > low else 0.5)

    return at


def ends(values: Sequence[float], at: Axis) -> list[tuple[float, float]]:
    """The least and the largest value with their places."""
    return [(value, at(value)) for value in sorted({min(values), max(values)})]
