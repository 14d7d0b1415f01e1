"""The market as arrays, one entry per pool (a cluster and an offer beside it), and what is taken of it so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scheduler.domain.fleet import Cluster
from scheduler.domain.jurisdiction import within
from scheduler.domain.offer import Offer
from simulations.bench.generate.market import Market

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Ground:
    """Pools as arrays.

    Attributes:
        price: effective micro-USD per GPU and hour [pool]. gpus: per node [pool]. offer, place: indices [pool].
        free: GPUs left on the nodes taken so far [pool]. nodes: taken so far [pool]. taken: nodes taken so far [offer].
        limit: nodes that may be taken [offer].
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        beside: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for index, offer in enumerate(market.offers):
            beside[offer.provider, offer.account, offer.region].append(index)
        self.pools: list[tuple[Cluster, int]] = [
            (cluster, index) for cluster in market.clusters for index in beside[cluster.provider, cluster.account, cluster.region]
        ]
        self.offer: Ints = np.array([index for _, index in self.pools])
        offers = [market.offers[index] for _, index in self.pools]
        self.price: Floats = np.array([effective_price(offer) / offer.instance_type.accelerator_count for offer in offers])
        self.gpus: Ints = np.array([offer.instance_type.accelerator_count for offer in offers])
        self.spot: Mask = np.array([offer.capacity_type.revocable for offer in offers])
        self.provider: Ints = _codes(offer.provider for offer in offers)
        self.place_names = sorted({_place(cluster) for cluster in market.clusters})
        where = {name: index for index, name in enumerate(self.place_names)}
        self.place: Ints = np.array([where[_place(cluster)] for cluster, _ in self.pools])
        self.providers = sorted({offer.provider for offer in offers})
        self.clear(np.full(len(market.offers), np.iinfo(np.int32).max))

    def clear(self, limit: Ints) -> None:
        """Nothing is taken any more; ``limit`` holds from now on."""
        self.limit = limit
        self.taken: Ints = np.zeros(len(self.market.offers), np.int64)
        self.nodes: Ints = np.zeros(len(self.pools), np.int64)
        self.free: Ints = np.zeros(len(self.pools), np.int64)

    def state(self) -> tuple[Ints, Ints, Ints]:
        """What is taken, for ``restore``."""
        return self.taken.copy(), self.nodes.copy(), self.free.copy()

    def restore(self, state: tuple[Ints, Ints, Ints]) -> None:
        """As it was."""
        self.taken, self.nodes, self.free = state

    @cached_property
    def pools_of_card(self) -> dict[str, Ints]:
        """Pool indices by accelerator."""
        found: dict[str, list[int]] = defaultdict(list)
        for index, (_, offer) in enumerate(self.pools):
            found[self.market.offers[offer].instance_type.accelerator].append(index)
        return {card: np.array(pools) for card, pools in found.items()}

    @cached_property
    def jurisdictions(self) -> list[str]:
        """By place."""
        known = {_place(cluster): cluster.jurisdiction for cluster in self.market.clusters}
        return [known[name] for name in self.place_names]

    def places_within(self, allowed: tuple[str, ...]) -> Mask:
        """Places where one of these laws applies [place]."""
        return np.array([within(jurisdiction, allowed) for jurisdiction in self.jurisdictions])

    def places_near(self, origin: str, most_ms: int | None) -> Mask:
        """Places in reach of an origin [place]."""
        latency = self.market.latency_ms
        return np.array([most_ms is None or latency[origin, place] <= most_ms for place in self.place_names])

    def take(self, pool: int, gpus: int, replicas: int, nodes: int = 1) -> int:
        """Put up to so many replicas of ``gpus`` GPUs into a pool, adding nodes within the offer's limit; how many were put.

        A gang takes ``nodes`` whole nodes that nothing else is on.
        """
        per_node = int(self.gpus[pool]) // gpus
        fitting = int(self.free[pool]) // gpus
        offer = self.offer[pool]
        spare = max(0, int(self.limit[offer] - self.taken[offer]))
        if nodes > 1:
            put = min(replicas, spare // nodes)
            self.taken[offer] += put * nodes
            self.nodes[pool] += put * nodes
            return put
        put = min(replicas, fitting + spare * per_node)
        added = max(0, -(-(put - fitting) // per_node))
        self.taken[offer] += added
        self.nodes[pool] += added
        self.free[pool] += added * self.gpus[pool] - put * gpus
        return put

    def room(self, pools: Ints, gpus: int, nodes: int = 1) -> Mask:
        """True where one more replica of ``gpus`` GPUs on so many nodes fits [len(pools)]."""
        offers = self.offer[pools]
        if nodes > 1:
            whole: Mask = self.taken[offers] + nodes <= self.limit[offers]
            return whole
        result: Mask = (self.free[pools] >= gpus) | (self.taken[offers] < self.limit[offers])
        return result


def effective_price(offer: Offer) -> int:
    """Micro-USD per node and hour with the expected interruption loss: what the optimizer minimises."""
    return round(offer.price_micro_usd_per_h * (1 + (offer.interruptions_per_h or 0.0) * offer.launch_s / 3600))


def _place(cluster: Cluster) -> str:
    return f"{cluster.provider}:{cluster.region}"


def _codes(names: Iterable[str]) -> Ints:
    listed = list(names)
    order = {name: index for index, name in enumerate(sorted(set(listed)))}
    return np.array([order[name] for name in listed])
