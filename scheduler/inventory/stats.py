"""How an offer behaved: its price's level and unrest, from its history. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from scheduler.domain.stores import HistoryPoint

_DAY_S = timedelta(days=1).total_seconds()


@dataclass(frozen=True, slots=True)
class PriceStats:
    """The price of one offer over a window.

    Attributes:
        mean_micro_usd_per_h: weighted by time.
        volatility_per_day: standard deviation of the logarithm of the price over one day; 0 for a price that stands still.
        days: how much of the window is known.
    """

    changes: int
    low_micro_usd_per_h: int
    high_micro_usd_per_h: int
    mean_micro_usd_per_h: int
    volatility_per_day: float
    days: float


def price_stats(points: Sequence[HistoryPoint], since: datetime, now: datetime) -> PriceStats | None:
    """Statistics over what is known between two instants; None where nothing is."""
    pieces = [(point.price_micro_usd_per_h, (min(point.until or now, now) - max(point.since, since)).total_seconds()) for point in points]
    known = [(price, seconds) for price, seconds in pieces if price is not None and seconds > 0]
    if not known:
        return None
    total_s = sum(seconds for _, seconds in known)
    prices = [price for price, _ in known]
    steps = [math.log(after / before) for before, after in pairwise(prices) if before > 0 and after > 0]
    return PriceStats(
        changes=sum(step != 0 for step in steps),
        low_micro_usd_per_h=min(prices),
        high_micro_usd_per_h=max(prices),
        mean_micro_usd_per_h=round(sum(price * seconds for price, seconds in known) / total_s),
        volatility_per_day=math.sqrt(sum(step * step for step in steps) / total_s * _DAY_S),
        days=total_s / _DAY_S,
    )
