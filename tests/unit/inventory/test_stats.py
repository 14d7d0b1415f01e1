"""Statistics of an offer's price."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from scheduler.domain.stores import HistoryPoint
from scheduler.inventory.stats import price_stats
from tests.builders import NOW

HOUR = timedelta(hours=1)


def test_the_mean_is_weighted_by_time_and_the_window_cuts() -> None:
    points = [HistoryPoint(NOW - 9 * HOUR, NOW - 2 * HOUR, 100, ""), HistoryPoint(NOW - 2 * HOUR, None, 400, "")]
    found = price_stats(points, NOW - 4 * HOUR, NOW)
    assert found is not None
    assert (found.mean_micro_usd_per_h, found.low_micro_usd_per_h, found.high_micro_usd_per_h, found.changes) == (250, 100, 400, 1)
    assert found.days == pytest.approx(4 / 24)
    assert found.volatility_per_day == pytest.approx(math.log(4) * math.sqrt(6))


def test_a_price_that_stands_still_has_no_volatility_and_the_unknown_has_no_statistics() -> None:
    still = price_stats([HistoryPoint(NOW - HOUR, None, 100, "")], NOW - 4 * HOUR, NOW)
    assert still is not None
    assert (still.volatility_per_day, still.changes) == (0, 0)
    assert price_stats([], NOW - HOUR, NOW) is None
    assert price_stats([HistoryPoint(NOW - 9 * HOUR, NOW - 5 * HOUR, 100, "")], NOW - HOUR, NOW) is None
