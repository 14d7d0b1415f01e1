"""Pools and options, derived from the problem document alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from scheduler.verifier.world import SPOT, Cluster, Deployment, Offer, Reservation, Shape, World, within

UNCAPPED = 64
"""Most nodes launched from one offer of which no stock is known; part of the problem's definition."""

USABLE_NODES = ("requested", "launching", "joining", "ready")
LEAVING_REPLICAS = ("stopped", "failed", "lost", "draining", "stopping")


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes of one cluster from one offer.

    Attributes:
        price: micro-USD per node and hour at the margin. effective: the same with the expected loss by interruption.
        existing: usable nodes now. most: with everything that could be launched.
    """

    id: str
    cluster: Cluster
    offer: Offer
    existing: int
    most: int
    price: int
    effective: int
    reservation: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One allowed way to place a replica.

    Attributes:
        running: replicas of it that run now. most: as many may be placed. start: micro-USD per hour of one beyond those running.
    """

    deployment: Deployment
    pool: Pool
    shape: Shape
    running: int
    most: int
    start: int

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.deployment.id, self.pool.id, self.shape.id)


@dataclass(frozen=True)
class Derived:
    """What follows from the document."""

    world: World
    pools: Mapping[str, Pool]
    running: Mapping[tuple[str, str, str], int]

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        return {shape.id: shape for shape in self.world.shapes}

    @cached_property
    def _pools_of(self) -> dict[str, list[Pool]]:
        """Pools by accelerator."""
        found: dict[str, list[Pool]] = defaultdict(list)
        for pool in self.pools.values():
            found[pool.offer.kind.accelerator].append(pool)
        return found

    @cached_property
    def _shapes_of(self) -> dict[tuple[str, str], list[Shape]]:
        found: dict[tuple[str, str], list[Shape]] = defaultdict(list)
        for shape in self.world.shapes:
            found[shape.model, shape.engine].append(shape)
        return found

    @cached_property
    def _starts(self) -> dict[tuple[str, str], int]:
        return {}

    def options(self, deployment: Deployment) -> list[Option]:
        """Everything the deployment's own rules allow."""
        return [
            self._option(deployment, pool, shape)
            for shape in self._shapes_of[deployment.model, deployment.engine]
            for pool in self._pools_of[shape.accelerator]
            if forbidden(deployment, pool, shape) is None
        ]

    def _option(self, deployment: Deployment, pool: Pool, shape: Shape) -> Option:
        running = self.running.get((deployment.id, pool.id, shape.id), 0)
        most = most_replicas(deployment, pool.cluster, running)
        key = (pool.id, shape.id)
        if key not in self._starts:
            self._starts[key] = self.start_cost(pool, shape)
        return Option(deployment, pool, shape, running, most, self._starts[key])

    def start_cost(self, pool: Pool, shape: Shape) -> int:
        """Micro-USD per hour of starting one replica: node time while it launches and loads, and moving the weights there.

        round((price * share * (launch_s + start_s) / 3600 + egress per GB * weights in GiB) / amortisation_h), with the share of
        a node that the replica takes and the cheapest listed egress to the place, 0 where none is listed.
        """
        share = shape.nodes if shape.nodes > 1 else shape.per_node / pool.offer.kind.accelerators
        paid = pool.price * share * (pool.offer.launch_s + shape.start_s) / 3600
        cheapest = self._egress_to.get(pool.offer.place)
        moved = cheapest * self.world.weights_gib.get(shape.model, 0.0) if cheapest is not None else 0.0
        return round((paid + moved) / self.world.amortisation_h)

    @cached_property
    def _egress_to(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_, to), price in self.world.egress.items():
            found[to] = min(price, found.get(to, price))
        return found

    def serves(self, deployment: Deployment, pool: Pool, demand: int) -> bool:
        """True where residency and latency let this demand (by index) be served from the pool."""
        wanted = deployment.demand[demand]
        if not within(pool.cluster.jurisdiction, wanted.jurisdictions):
            return False
        if wanted.latency_ms_max is None:
            return True
        return self.world.latency.get((wanted.origin, pool.offer.place), 0) <= wanted.latency_ms_max


def derive(world: World) -> Derived:
    """Pools by id, and what runs by (deployment, pool, shape)."""
    usable = {node.id: node for node in world.nodes if node.state in USABLE_NODES}
    running: dict[tuple[str, str, str], int] = defaultdict(int)
    for each in world.replicas:
        if each.state not in LEAVING_REPLICAS and all(node in usable for node in each.nodes):
            running[each.deployment, usable[each.nodes[0]].pool, each.shape] += 1
    return Derived(world, _pools(world), dict(running))


def _pools(world: World) -> dict[str, Pool]:
    usable = [node for node in world.nodes if node.state in USABLE_NODES]
    existing: dict[str, int] = defaultdict(int)
    for node in usable:
        existing[node.pool] += 1
    offers = {offer.id: offer for offer in world.offers}
    clusters = {cluster.id: cluster for cluster in world.clusters}
    for node in usable:
        # A node keeps running at its price when its offer is no longer listed; no more of it can be had.
        home = clusters[node.cluster]
        offers.setdefault(node.offer_id, Offer(node.kind, home.account, home.region, node.zone, node.capacity_type, node.price))
    found: dict[str, Pool] = {}
    for cluster in world.clusters:
        for offer in offers.values():
            if cluster.holds(offer):
                identity = f"{cluster.id}|{offer.id}"
                found[identity] = _market(identity, cluster, offer, existing[identity])
        for reservation in world.reservations:
            held = _reserved(world, reservation)
            if held is not None and cluster.holds(held):
                identity = f"{cluster.id}|{held.id}"
                most = reservation.count if cluster.open else existing[identity]
                found[identity] = Pool(identity, cluster, held, existing[identity], most, 0, 0, reservation.id)
    return found


def _market(identity: str, cluster: Cluster, offer: Offer, existing: int) -> Pool:
    spare = 0 if not cluster.open else UNCAPPED if offer.cap is None else offer.cap
    effective = round(offer.price * (1 + offer.interruptions_per_h * offer.launch_s / 3600))
    return Pool(identity, cluster, offer, existing, existing + spare, offer.price, effective)


def _reserved(world: World, reservation: Reservation) -> Offer | None:
    """The reservation as an offer that is free at the margin; None outside its window or where its type is not on offer."""
    begun = reservation.starts_at is None or reservation.starts_at <= world.taken_at
    over = reservation.ends_at is not None and world.taken_at >= reservation.ends_at
    if not begun or over:
        return None
    home = (reservation.provider, reservation.account, reservation.region, reservation.type_name)
    for offer in world.offers:
        if (offer.kind.provider, offer.account, offer.region, offer.kind.name) == home:
            block = "reserved" if reservation.ends_at is None else "capacity-block"
            zone = reservation.zone or offer.zone
            return replace(offer, zone=zone, capacity_type=block, price=0, interruptions_per_h=0.0, cap=None)
    return None


def most_replicas(deployment: Deployment, cluster: Cluster, running: int) -> int:
    """Replicas of one option that the state of its cluster admits."""
    if cluster.state == "suspect":
        return running
    if cluster.schedulability == "draining" or cluster.state == "lost":
        return 0
    return running if cluster.schedulability == "cordoned" else deployment.max_replicas


def forbidden(deployment: Deployment, pool: Pool, shape: Shape) -> tuple[str, str] | None:
    """The first of the deployment's own rules that forbids this option, with a sentence; None where all allow it."""
    rules, offer, cluster = deployment.rules, pool.offer, pool.cluster
    for rule, allowed, have in (
        ("providers", rules.providers, offer.kind.provider),
        ("regions", rules.regions, offer.region),
        ("clusters", rules.clusters, cluster.id),
        ("accelerators", rules.accelerators, offer.kind.accelerator),
        ("capacity_types", rules.capacity_types, offer.capacity_type),
        ("model", (deployment.model,), shape.model),
        ("engine", (deployment.engine,), shape.engine),
        ("accelerator", (shape.accelerator,), offer.kind.accelerator),
    ):
        if allowed and have not in allowed:
            return rule, f"{have} is not among {', '.join(allowed)}"
    if not within(cluster.jurisdiction, rules.jurisdictions):
        return "jurisdictions", f"{cluster.id} is in {cluster.jurisdiction or 'an unknown place'}"
    if rules.spot_ceiling <= 0 and offer.capacity_type == SPOT:
        return "spot_ceiling", "spot is not allowed at all"
    have_count = offer.kind.accelerators
    if shape.per_node > have_count or (shape.nodes > 1 and shape.per_node != have_count):
        return "node_size", f"it needs {shape.per_node} accelerators on each node, this type has {have_count}"
    return None
