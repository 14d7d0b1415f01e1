"""How to hold a number of replicas on spot capacity: where, how many to spare, when on-demand, and when to move. Pure functions.

The measure is the time with fewer than the wanted replicas ready. A lost zone takes all its replicas at once, and a new one needs
``start_s``; so a fleet of n replicas is hurt by the loss of a zone only where that zone holds more than n - wanted of them.
Two shapes are worth their money: spares over zones far apart, which no single loss hurts, and all replicas in the one steadiest
zone, which pays for no spare and is hurt as rarely as that zone is lost. Which is cheaper depends on the hazards, so both, and
all between them, on-demand included, are priced alike: micro-USD per hour plus the expected time below the wanted count times its
price. The constants of the hazard were fitted on half of 50 recorded windows of nine zones, and judged on the other half
(``headrace bench spot``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

PRIOR_LOSSES = 0.5
PRIOR_H = 0.6
"""A zone of which nothing is known counts as half a loss in 36 minutes. Spot capacity that has lasted lasts on: its hazard falls
almost as 1 / age, which is what shrinking towards this prior gives."""

UNSEEN_SPELL_H = 4.0
"""Age added to a spell that was under way when the zone was first seen: what is met at a random time has lasted longer than most."""

SPELL_WEIGHT = 0.6
"""Weight of the present spell against everything seen of the zone."""

MEMORY_H = 24.0
"""Observations fade by a factor e in this time."""

NEIGHBOUR_FACTOR = 0.5
"""By how much each sold-out zone of the same region adds to the hazard of one that is not, as a share of it."""

TOGETHER_NEAR, TOGETHER_FAR = 0.2, 0.01
"""Chance that a second zone is lost together with a first, in the same region and in another."""


@dataclass(frozen=True, slots=True)
class Sightings:
    """What was seen of one zone's spot capacity, faded by age.

    Attributes:
        up_h: hours seen available; losses: times it went away.
        available: as last seen, None before. since_h: when that began; seen_h: when it was last seen. Hours on any one clock.
        begun: True where the beginning of the present spell was seen.
    """

    up_h: float = 0.0
    losses: float = 0.0
    available: bool | None = None
    since_h: float = 0.0
    seen_h: float = 0.0
    begun: bool = False


def seen(before: Sightings, now_h: float, available: bool) -> Sightings:
    """One more look at the zone."""
    passed = now_h - before.seen_h if before.available is not None else 0.0
    fade = math.exp(-passed / MEMORY_H)
    up = before.up_h * fade + (passed if before.available else 0.0)
    faded = replace(before, up_h=up, losses=before.losses * fade, seen_h=now_h)
    if available is before.available:
        return faded
    lost = before.available is True and not available
    return replace(faded, available=available, since_h=now_h, begun=before.available is not None, losses=faded.losses + lost)


def hazard_per_h(sightings: Sightings, neighbours_out: int = 0) -> float:
    """Expected losses per hour of a zone that is available now.

    The weighted geometric mean of two shrunken rates, (prior losses + losses) / (prior hours + hours): over all that was seen, and
    over the present spell alone. It rises with every zone of the same region that is sold out.
    """
    spell = max(0.0, sightings.seen_h - sightings.since_h) if sightings.available else 0.0
    spell += 0.0 if sightings.begun else UNSEEN_SPELL_H
    overall = (PRIOR_LOSSES + sightings.losses) / (PRIOR_H + sightings.up_h)
    present = PRIOR_LOSSES / (PRIOR_H + spell)
    return math.pow(overall, 1 - SPELL_WEIGHT) * math.pow(present, SPELL_WEIGHT) * (1 + NEIGHBOUR_FACTOR * neighbours_out)


@dataclass(frozen=True, slots=True)
class Choice:
    """Capacity that a replica could run on now.

    Attributes:
        id: an offer's id. region: what tends to fail together with it. price: micro-USD per hour of one replica.
        hazard_per_h: expected losses per hour; 0 for on-demand.
    """

    id: str
    region: str
    price: int
    hazard_per_h: float = 0.0


@dataclass(frozen=True, slots=True)
class SpotGoal:
    """What is to be kept up.

    Attributes:
        wanted: replicas that shall be ready. start_s: from launch to ready. most_spare: replicas beyond that.
        shortfall_price: micro-USD that an hour with fewer ready is worth. keep: share by which another fleet must be better, so that
            estimates that tremble move nothing.
    """

    wanted: int
    start_s: float
    shortfall_price: int
    most_spare: int = 3
    keep: float = 0.02


@dataclass(frozen=True, slots=True)
class SpotFleet:
    """Replicas by choice id, with what it costs and how long per hour it is expected to be short."""

    replicas: Mapping[str, int] = field(default_factory=dict)
    price: int = 0
    short_share: float = 0.0
    score: float = 0.0


def best_fleet(choices: Iterable[Choice], goal: SpotGoal) -> SpotFleet:
    """The fleet of least price plus priced shortfall, over every number of spares and every zone that may hold more than those."""
    known = list(choices)
    fleets = []
    for spare in range(goal.most_spare + 1):
        for exposed in (None, *_steadiest(known)):
            for apart in (False, True) if spare else (False,):
                counts = _filled(known, goal, spare, exposed, apart)
                if counts:
                    fleets.append(judged(counts, known, goal))
    return min(fleets, key=lambda fleet: (fleet.score, sorted(fleet.replicas.items())), default=SpotFleet())


def _steadiest(choices: list[Choice]) -> list[str]:
    """Spot zones that no other beats in both price and hazard: only one of these may be worth holding more than the spares."""
    found: list[Choice] = []
    for each in sorted((c for c in choices if c.hazard_per_h > 0), key=lambda c: (c.price, c.hazard_per_h, c.id)):
        if not found or each.hazard_per_h < found[-1].hazard_per_h:
            found.append(each)
    return [each.id for each in found]


def _filled(choices: list[Choice], goal: SpotGoal, spare: int, exposed: str | None, apart: bool) -> dict[str, int]:
    """The cheapest wanted + spare replicas with at most ``spare`` in any spot zone but the exposed one; {} where that is too few.

    With ``apart`` no region but the exposed zone's holds more than ``spare`` either. A zone's hazard is added to its price at
    what it costs in pairs, so that of two equally cheap zones the steadier one is taken.
    """
    tax = goal.shortfall_price * goal.start_s / 3600 * TOGETHER_FAR * 2
    counts: dict[str, int] = {}
    in_region: dict[str, int] = {}
    left = goal.wanted + spare
    for each in sorted(choices, key=lambda c: (c.price + tax * c.hazard_per_h, c.id)):
        room = left if each.hazard_per_h == 0 or each.id == exposed else min(left, spare)
        if apart and each.hazard_per_h > 0 and each.id != exposed:
            room = min(room, spare - in_region.get(each.region, 0))
        if room > 0:
            counts[each.id] = room
            in_region[each.region] = in_region.get(each.region, 0) + room
            left -= room
    return counts if left == 0 else {}


def judged(counts: Mapping[str, int], choices: Iterable[Choice], goal: SpotGoal) -> SpotFleet:
    """Price and expected shortfall of a fleet whose replicas are all ready.

    short share = start_h * (sum of the hazards of zones that may not be lost + sum over pairs that may not be lost together of
    hazard * (chance of being lost at the same time + hazard of the other * start_h)).
    """
    used = [each for each in choices if counts.get(each.id)]
    total = sum(counts[each.id] for each in used)
    start_h = goal.start_s / 3600
    rate = 0.0
    for one in used:
        if total - counts[one.id] < goal.wanted:
            rate += one.hazard_per_h
            continue
        for other in used:
            if other is not one and other.hazard_per_h > 0 and total - counts[one.id] - counts[other.id] < goal.wanted:
                together = TOGETHER_NEAR if one.region == other.region else TOGETHER_FAR
                # A pair is met twice in this loop, and lost together once.
                rate += one.hazard_per_h * (together / 2 + other.hazard_per_h * start_h)
    price = sum(each.price * counts[each.id] for each in used)
    short = min(1.0, rate * start_h)
    return SpotFleet(dict(counts), price, short, price + short * goal.shortfall_price)


def next_fleet(now: Mapping[str, int], choices: Iterable[Choice], goal: SpotGoal) -> SpotFleet:
    """The fleet to have: the best one, unless what runs is complete and nearly as good (hysteresis).

    Leaving on-demand or a steadier mix has to earn at least ``keep`` of the present score; so has every move between zones.
    """
    known = list(choices)
    best = best_fleet(known, goal)
    ids = {each.id for each in known}
    held = {name: count for name, count in now.items() if count and name in ids}
    if sum(held.values()) < goal.wanted:
        return best
    present = judged(held, known, goal)
    return best if best.score < present.score * (1 - goal.keep) else present
