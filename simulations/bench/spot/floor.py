"""The clairvoyant floor: the cheapest fleet with 100% availability in a window, for one who knows the future.

Argument. A node is an interval of whole ticks in one zone, through which the zone is available; it is paid for all of it and
ready from ``start_s`` after its beginning. A fleet has 100% availability where the ready parts cover every moment from ``start_s``
on at least ``wanted`` times. Nothing limits how many nodes a zone gives, so every interval may be used any number of times.
The covering matrix of intervals has consecutive ones and is totally unimodular, so the least cost of covering everything
``wanted`` times is ``wanted`` times that of covering it once (the linear program scales). And a single cover of least cost is a
shortest path: one node serves at a time, and the next one has been launched ceil(start_s / gap) ticks before it takes over.
"""

from __future__ import annotations

import math

from simulations.bench.spot.replay import Terms
from simulations.bench.spot.windows import Window


def floor_cost(window: Window, terms: Terms) -> float:
    """Micro-USD of the cheapest fleet that always has ``wanted`` nodes ready, over the whole window."""
    lead = math.ceil(terms.start_s / window.gap_s)
    places = [(zone.available, zone.price) for zone in window.zones]
    places.append(((True,) * window.ticks, (terms.on_demand,) * window.ticks))
    # best[place]: least cost up to and with tick ``tick``, with a node there that serves from the beginning of that tick.
    best: dict[int, float] = {place: float(sum(price[:lead])) for place, (available, price) in enumerate(places) if all(available[:lead])}
    for tick in range(lead, window.ticks):
        cheapest = min(best.values())
        after: dict[int, float] = {}
        for place, (available, price) in enumerate(places):
            if not available[tick]:
                continue
            stay = best.get(place, math.inf) + price[tick]
            fresh = cheapest + sum(price[tick - lead : tick + 1]) if all(available[tick - lead : tick]) else math.inf
            if min(stay, fresh) < math.inf:
                after[place] = min(stay, fresh)
        best = after
    return terms.wanted * min(best.values()) * window.gap_s / 3600
