"""Caps and quotas: heavy-tailed, together a stated multiple of the need, and never below what the planted plan takes."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from scheduler.domain.fleet import Node
from scheduler.domain.offer import CapacityType, Quota, QuotaUnit, Reservation
from scheduler.domain.snapshot import LaunchCap
from simulations.bench.generate.ground import Ground, Ints, effective_price
from simulations.bench.generate.market import HYPERSCALERS
from simulations.bench.generate.profile import Profile

TAIL = 1.2
"""Exponent of the Pareto distribution of stock: most offers have a node or two, a few have dozens."""

TAIL_MAX = 15.0
ATTRACTIVE = 0.5
"""Share of a card's offers, cheapest first, that count as attractive."""

WHOLE_NODE = 8
RESERVED, SUNK = 0.03, 0.6
"""Share of the whole-node offers with a reservation, and what it costs of the list price."""

UNITS = {"aws": QuotaUnit.VCPU, "azure": QuotaUnit.VCPU, "gcp": QuotaUnit.GPU}
QUOTA_SLACK = (0.6, 1.2)
"""Quota over all that the family's caps would allow."""


def stock(ground: Ground, profile: Profile, draw: random.Random) -> Ints:
    """Nodes that each offer has [offer], scaled card by card to what the ground has taken without limits."""
    offers = ground.market.offers
    needed: dict[str, float] = defaultdict(float)
    by_card: dict[str, list[int]] = defaultdict(list)
    for index, offer in enumerate(offers):
        card = offer.instance_type.accelerator
        needed[card] += float(ground.taken[index]) * offer.instance_type.accelerator_count
        by_card[card].append(index)
    found: Ints = np.zeros(len(offers), np.int64)
    for card, listed in sorted(by_card.items()):
        ranked = sorted(listed, key=lambda i: (effective_price(offers[i]) / offers[i].instance_type.accelerator_count, offers[i].id))
        middle = max(1, round(ATTRACTIVE * len(ranked)))
        for part, times in ((ranked[:middle], profile.attractive), (ranked[middle:], profile.fallback)):
            _share_out(ground, part, times * needed[card], found, draw)
    return found


def _share_out(ground: Ground, part: list[int], gpus: float, found: Ints, draw: random.Random) -> None:
    """So many GPUs over these offers, heavy-tailed, in whole nodes."""
    weights = {index: min(TAIL_MAX, draw.paretovariate(TAIL)) for index in part}
    total = sum(weights.values())
    for index, weight in weights.items():
        nodes = gpus * weight / total / ground.market.offers[index].instance_type.accelerator_count
        # Rounded by chance, so that small problems keep their total.
        found[index] = int(nodes) + (draw.random() < nodes - int(nodes))


def tightened(ground: Ground, limit: Ints, share: float, draw: random.Random) -> Ints:
    """Stock after planting: it grew where it had to, and by chance it ends where the planted plan does."""
    found = np.maximum(limit, ground.taken)
    for index in np.flatnonzero(ground.taken):
        if draw.random() < share:
            found[index] = ground.taken[index]
    return found


def caps(ground: Ground, limit: Ints, nodes: Iterable[Node]) -> dict[str, LaunchCap]:
    """Launch caps by offer id: stock that no node of ours holds yet."""
    held = Counter(node.offer_id for node in nodes)
    return {offer.id: LaunchCap(int(limit[i]) - held[offer.id], 0.7, "synthetic stock") for i, offer in enumerate(ground.market.offers)}


def reservations(ground: Ground, now: datetime, draw: random.Random) -> tuple[Reservation, ...]:
    """A few nodes that are paid in any case, on whole-node on-demand offers."""
    held: dict[str, Reservation] = {}
    for cluster, index in ground.pools:
        offer = ground.market.offers[index]
        whole = offer.instance_type.accelerator_count == WHOLE_NODE and not offer.capacity_type.revocable
        if not whole or cluster.id in held or draw.random() >= RESERVED:
            continue
        name, sunk = f"held-{cluster.id}", round(SUNK * offer.price_micro_usd_per_h)
        kind, count = offer.instance_type.name, draw.choice((1, 1, 2))
        held[cluster.id] = Reservation(name, offer.provider, offer.account, offer.region, offer.zone, kind, count, sunk, now)
    return tuple(held.values())


def quotas(ground: Ground, limit: Ints, now: datetime, draw: random.Random) -> tuple[Quota, ...]:
    """One per account, region, card and way to buy it, on hyperscalers and half of the other clouds."""
    with_quotas = {cloud for cloud in ground.providers if cloud in HYPERSCALERS or draw.random() < 0.5}
    groups: dict[tuple[str, str, str, str, CapacityType], list[int]] = defaultdict(list)
    for index, offer in enumerate(ground.market.offers):
        if offer.provider in with_quotas:
            key = (offer.provider, offer.account, offer.region, offer.instance_type.quota_family, offer.capacity_type)
            groups[key].append(index)
    return tuple(_quota(ground, limit, key, listed, now, draw) for key, listed in sorted(groups.items()))


def _quota(
    ground: Ground, limit: Ints, key: tuple[str, str, str, str, CapacityType], listed: list[int], now: datetime, draw: random.Random
) -> Quota:
    provider, account, region, family, capacity = key
    unit = UNITS.get(provider, QuotaUnit.GPU)
    quota = Quota(provider, account, region, family, unit, 0, (capacity,), now)
    units = [quota.units_of(ground.market.offers[i].instance_type) for i in listed]
    stocked = sum(int(limit[i]) * each for i, each in zip(listed, units, strict=True))
    taken = sum(int(ground.taken[i]) * each for i, each in zip(listed, units, strict=True))
    most = max(taken, round(stocked * draw.uniform(*QUOTA_SLACK)), *units)
    return Quota(provider, account, region, family, unit, most, (capacity,), now)
