"""Plays a policy through a window and measures it.

Time is continuous, decisions fall on ticks. At a tick the zones' availability for the coming gap is known: nodes in a zone that is
out are lost at once, then the policy says how many nodes it wants where, then missing nodes are launched and surplus ones
released. A node is paid from its launch to its loss or release and is ready ``start_s`` after its launch: with a gap of 195 s
and a start of 240 s that is 45 s into the second gap, not at a tick. A launch in a zone that is out is refused and costs nothing.

*Availability* is the share of time in which at least ``wanted`` nodes are ready, *readiness* the mean of min(ready, wanted) /
wanted. Both are taken from ``start_s`` on, the first moment at which anything could be ready; cost is taken from the beginning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from simulations.bench.spot.windows import Window

ON_DEMAND = "on-demand"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is replayed: ``wanted`` ready nodes, ``start_s`` from launch to ready, on-demand price in micro-USD per hour."""

    wanted: int = 4
    start_s: float = 240.0
    on_demand: int = 3_060_000


@dataclass(frozen=True, slots=True)
class Sight:
    """What a policy sees at a tick: prices (micro-USD/h) and stock by zone, nodes held by place, and those of them that are ready."""

    now_h: float
    price: Mapping[str, int]
    available: Mapping[str, bool]
    region: Mapping[str, str]
    held: Mapping[str, int]
    ready: Mapping[str, int]
    lost: Mapping[str, int]


class Policy(Protocol):
    """Says at every tick how many nodes it wants by place (a zone, or ``on-demand``). It keeps its own memory of the window."""

    def decide(self, sight: Sight) -> Mapping[str, int]: ...


@dataclass
class Measured:
    """One policy in one window; cost in micro-USD, times in seconds."""

    cost: float = 0.0
    on_demand_cost: float = 0.0
    measured_s: float = 0.0
    enough_s: float = 0.0
    ready_s: float = 0.0
    interruptions: int = 0
    launches: int = 0

    @property
    def availability(self) -> float:
        return self.enough_s / self.measured_s

    @property
    def readiness(self) -> float:
        return self.ready_s / self.measured_s


@dataclass
class _Fleet:
    """Launch times (s) of the nodes held, by place, oldest first."""

    nodes: dict[str, list[float]] = field(default_factory=dict)

    def ready(self, now_s: float, start_s: float) -> Counter[str]:
        return Counter({place: sum(now_s - born >= start_s for born in born_at) for place, born_at in self.nodes.items()})


def replay(window: Window, policy: Policy, terms: Terms) -> Measured:
    """Play the whole window."""
    fleet, told = _Fleet(), Measured()
    for tick in range(window.ticks):
        now_s = tick * window.gap_s
        available = {zone.name: zone.available[tick] for zone in window.zones}
        price = {zone.name: zone.price[tick] for zone in window.zones} | {ON_DEMAND: terms.on_demand}
        lost = {place: len(born) for place, born in fleet.nodes.items() if born and not available.get(place, True)}
        for place in lost:
            fleet.nodes[place] = []
        told.interruptions += sum(lost.values())
        sight = Sight(
            now_h=now_s / 3600,
            price=price,
            available=available,
            region={zone.name: zone.region for zone in window.zones},
            held={place: len(born) for place, born in fleet.nodes.items() if born},
            ready=fleet.ready(now_s, terms.start_s),
            lost=lost,
        )
        wanted = policy.decide(sight)
        for place in {*wanted, *fleet.nodes}:
            _adjust(fleet, told, place, wanted.get(place, 0) if available.get(place, True) else 0, now_s)
        _charge(fleet, told, price, window.gap_s)
        _measure(fleet, told, terms, now_s, window.gap_s)
    return told


def _adjust(fleet: _Fleet, told: Measured, place: str, count: int, now_s: float) -> None:
    """Launch what is missing; release the youngest of what is too many, which are the ones that may not be ready."""
    born = fleet.nodes.setdefault(place, [])
    told.launches += max(0, count - len(born))
    born.extend([now_s] * (count - len(born)))
    del born[count:]


def _charge(fleet: _Fleet, told: Measured, price: Mapping[str, int], gap_s: float) -> None:
    for place, born in fleet.nodes.items():
        paid = len(born) * price[place] * gap_s / 3600
        told.cost += paid
        if place == ON_DEMAND:
            told.on_demand_cost += paid


def _measure(fleet: _Fleet, told: Measured, terms: Terms, now_s: float, gap_s: float) -> None:
    """Between ticks the number of ready nodes changes only where a start ends."""
    ends = sorted(born + terms.start_s for nodes in fleet.nodes.values() for born in nodes)
    marks = sorted({max(now_s, terms.start_s), *(end for end in ends if now_s < end < now_s + gap_s), now_s + gap_s})
    for begin, end in pairwise(marks):
        if begin >= terms.start_s:
            ready = sum(each <= begin for each in ends)
            told.measured_s += end - begin
            told.enough_s += (end - begin) * (ready >= terms.wanted)
            told.ready_s += (end - begin) * min(ready, terms.wanted) / terms.wanted
