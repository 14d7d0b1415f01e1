"""The placement problem as the solver sees it: pools, options and loss scenarios, derived once from a snapshot.

An *option* is a (deployment, pool, shape) that the deployment's own rules allow; whatever they do not allow becomes a
``Reason`` here, with the number that would turn the no into a yes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property

from scheduler.domain.fleet import Cluster, Node, Replica, pool_id
from scheduler.domain.jurisdiction import within
from scheduler.domain.lifecycle import NODE_USABLE, REPLICA_ENDED, ClusterState, ReplicaState, Schedulability
from scheduler.domain.offer import Availability, CapacityType, Offer, Quota, Reservation, SourceKind
from scheduler.domain.plan import Reason
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.workload import Demand, Deployment, EngineShape, FailureDomain, Model
from scheduler.optimizer.rules import rejected, rejection

UNCAPPED = 64
"""Most nodes launched from one offer without evidence of stock; the snapshot normally carries a tighter cap."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes of one cluster from one offer.

    Attributes:
        existing: usable nodes now. max_nodes: with everything that could be launched.
        price: micro-USD per node and hour at the margin, interruption loss included.
        list_price: micro-USD per node and hour at the margin, without it.
    """

    id: str
    cluster: Cluster
    offer: Offer
    existing: int
    max_nodes: int
    price: int
    list_price: int
    reservation: str = ""
    cap: LaunchCap | None = None

    def domain(self, kind: FailureDomain) -> str:
        """Name of the failure domain this pool falls with."""
        provider = self.offer.provider
        match kind:
            case FailureDomain.PROVIDER:
                return provider
            case FailureDomain.REGION:
                return f"{provider}:{self.offer.region}"
            case FailureDomain.ZONE:
                return f"{provider}:{self.offer.region}:{self.offer.zone}"

    @property
    def place(self) -> str:
        """Provider and region, as the latency and egress tables name them."""
        return f"{self.offer.provider}:{self.offer.region}"

    @property
    def launch_group(self) -> str:
        """What turns out not to launch together: provider × region × accelerator. "" for capacity that is held for us."""
        if self.offer.capacity_type not in (CapacityType.ON_DEMAND, CapacityType.SPOT):
            return ""
        return f"{self.offer.provider}:{self.offer.region}:{self.offer.instance_type.accelerator}"

    @property
    def spot_group(self) -> str:
        """What is lost together when spot dries up: provider × region × accelerator. "" for capacity that stays."""
        if not self.offer.capacity_type.revocable:
            return ""
        return f"{self.offer.provider}:{self.offer.region}:{self.offer.instance_type.accelerator}"


@dataclass(frozen=True, slots=True)
class Option:
    """One allowed way to place a replica.

    Attributes:
        running: replicas of this option that run today; keeping them moves nothing.
        start_cost: micro-USD per hour of starting one more, amortised.
    """

    deployment: Deployment
    pool: Pool
    shape: EngineShape
    running: int
    least: int
    most: int
    start_cost: int

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.deployment.id, self.pool.id, self.shape.id)

    @property
    def node_share(self) -> float:
        """Share of a node (or number of nodes, for a gang) one replica takes."""
        if self.shape.nodes > 1:
            return float(self.shape.nodes)
        return self.shape.accelerators_per_node / self.pool.offer.instance_type.accelerator_count

    @property
    def cost_share(self) -> float:
        """Micro-USD per hour of the node share one replica takes."""
        return self.pool.price * self.node_share


@dataclass(frozen=True, slots=True)
class DemandClass:
    """Demand that may use the same capacity: same bucket, same residency, the same places too far away."""

    bucket: str
    jurisdictions: tuple[str, ...]
    tokens_per_s: float
    demands: tuple[Demand, ...]
    far: frozenset[str] = frozenset()

    def allows(self, pool: Pool) -> bool:
        return within(pool.cluster.jurisdiction, self.jurisdictions) and pool.place not in self.far


@dataclass(frozen=True, slots=True)
class LossScenario:
    """A set of pools that fall together, and the share of demand that must survive it.

    Attributes:
        rule: the rule that asks for it. running: True where replicas that run there today are not lost.
    """

    name: str
    lost: frozenset[str]
    share: float
    rule: str
    running: bool = False


@dataclass(frozen=True)
class Problem:
    """Everything the model is built from."""

    snapshot: Snapshot
    pools: tuple[Pool, ...]
    options: tuple[Option, ...]
    rejected: tuple[Reason, ...]
    relaxed: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    @cached_property
    def options_of(self) -> dict[str, list[Option]]:
        found: dict[str, list[Option]] = {deployment.id: [] for deployment in self.snapshot.deployments}
        for option in self.options:
            found[option.deployment.id].append(option)
        return found

    @cached_property
    def options_in(self) -> dict[str, list[Option]]:
        found: dict[str, list[Option]] = defaultdict(list)
        for option in self.options:
            found[option.pool.id].append(option)
        return found

    def holds(self, deployment: str, rule: str) -> bool:
        """False where a what-if has switched this rule off."""
        return (deployment, rule) not in self.relaxed

    def quota_pools(self, quota: Quota) -> list[Pool]:
        return [pool for pool in self.pools if not pool.reservation and quota.covers(pool.offer)]


def demand_classes(deployment: Deployment, snapshot: Snapshot) -> list[DemandClass]:
    """Group the deployment's demand by what capacity it may use; without headroom."""
    groups: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Demand]] = defaultdict(list)
    for demand in deployment.demand:
        groups[demand.bucket, tuple(sorted(demand.jurisdictions)), too_far(demand, snapshot)].append(demand)
    return [
        DemandClass(bucket, where, sum(d.tokens_per_s for d in ds), tuple(ds), frozenset(far))
        for (bucket, where, far), ds in sorted(groups.items(), key=lambda pair: pair[0])
    ]


def too_far(demand: Demand, snapshot: Snapshot) -> tuple[str, ...]:
    """Places, as ``provider:region``, whose network latency breaks the demand's limit; sorted."""
    if demand.latency_ms_max is None:
        return ()
    places = sorted({f"{cluster.provider}:{cluster.region}" for cluster in snapshot.clusters})
    return tuple(place for place in places if not snapshot.near(demand.origin, place, demand.latency_ms_max))


def loss_scenarios(deployment: Deployment, pools: list[Pool]) -> list[LossScenario]:
    """Every single loss this deployment must survive: failure domains, and correlated spot pools."""
    rules, scenarios = deployment.rules, []
    if rules.survivability is not None:
        kind = rules.survivability.domain
        for name in sorted({pool.domain(kind) for pool in pools}):
            lost = frozenset(pool.id for pool in pools if pool.domain(kind) == name)
            scenarios.append(LossScenario(f"loss of {kind.value} {name}", lost, rules.survivability.share, "survivability"))
    if rules.spot_loss_share > 0:
        for group in sorted({pool.spot_group for pool in pools} - {""}):
            lost = frozenset(pool.id for pool in pools if pool.spot_group == group)
            scenarios.append(LossScenario(f"loss of spot {group}", lost, rules.spot_loss_share, "spot_loss_share"))
    if rules.stockout_share > 0:
        for group in sorted({pool.launch_group for pool in pools} - {""}):
            lost = frozenset(pool.id for pool in pools if pool.launch_group == group)
            scenarios.append(LossScenario(f"stockout of {group}", lost, rules.stockout_share, "stockout_share", running=True))
    return scenarios


def build(snapshot: Snapshot, relaxed: frozenset[tuple[str, str]] = frozenset()) -> Problem:
    """Derive the problem. ``relaxed`` names (deployment, rule) pairs that a what-if switches off."""
    pools = pools_of(snapshot)
    models = {model.id: model for model in snapshot.models}
    running = running_replicas(snapshot)
    options: list[Option] = []
    noes: list[Reason] = []
    for deployment in snapshot.deployments:
        shapes = [s for s in snapshot.shapes if s.model == deployment.model and s.engine is deployment.engine]
        for pool in pools:
            candidates = [(shape, rejection(deployment, pool.offer, pool.cluster, shape, relaxed)) for shape in shapes]
            allowed = [shape for shape, no in candidates if no is None]
            options.extend(_option(snapshot, deployment, models[deployment.model], pool, shape, running) for shape in allowed)
            if not allowed:
                nos = [no for _, no in candidates if no is not None]
                noes.append(nos[0] if nos else _no_shape(deployment, pool))
    return Problem(snapshot, tuple(pools), tuple(options), tuple(noes), relaxed)


def _no_shape(deployment: Deployment, pool: Pool) -> Reason:
    text = f"no engine shape of {deployment.model} on {deployment.engine.value} meets the SLO"
    return rejected(deployment, pool.offer, pool.cluster, "slo", text, "declare a shape or relax slo.tpot_ms")


def running_replicas(snapshot: Snapshot) -> dict[tuple[str, str, str], int]:
    """Replicas that would stay where they are if nothing moved, by (deployment, pool, shape)."""
    usable = {node.id: node for node in snapshot.nodes if node.state in NODE_USABLE}
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for replica in snapshot.replicas:
        if stays(replica) and all(node in usable for node in replica.nodes):
            counts[replica.deployment, usable[replica.nodes[0]].pool, replica.shape] += 1
    return counts


def stays(replica: Replica) -> bool:
    """True for a replica that serves or is on its way to serve, and is not being taken away."""
    return replica.state not in REPLICA_ENDED and replica.state not in (ReplicaState.DRAINING, ReplicaState.STOPPING)


def pools_of(snapshot: Snapshot) -> list[Pool]:
    """Every (cluster, offer) of the same provider, account and region, and every reservation we hold there."""
    usable = [node for node in snapshot.nodes if node.state in NODE_USABLE]
    existing: dict[str, int] = defaultdict(int)
    for node in usable:
        existing[node.pool] += 1
    offers = {offer.id: offer for offer in snapshot.offers}
    clusters = {cluster.id: cluster for cluster in snapshot.clusters}
    for node in usable:
        # A node keeps running at its price even when its offer is no longer listed.
        if node.offer_id not in offers:
            offers[node.offer_id] = _offer_of_node(snapshot, node, clusters[node.cluster])
    near: dict[tuple[str, str, str], list[Offer]] = defaultdict(list)
    for offer in offers.values():
        near[offer.provider, offer.account, offer.region].append(offer)
    pools: list[Pool] = []
    reserved = [(each, held) for each in snapshot.reservations if (held := _reserved_offer(each, snapshot)) is not None]
    for cluster in snapshot.clusters:
        here = [offer for offer in near[cluster.provider, cluster.account, cluster.region] if _offered_in(cluster, offer)]
        pools += [_market_pool(snapshot, cluster, offer, existing[pool_id(cluster.id, offer.id)]) for offer in here]
        for reservation, offer_of in reserved:
            if _offered_in(cluster, offer_of):
                identity = pool_id(cluster.id, offer_of.id)
                most = reservation.count if _open(cluster) else existing[identity]
                pools.append(Pool(identity, cluster, offer_of, existing[identity], most, 0, 0, reservation.id))
    return sorted({pool.id: pool for pool in pools}.values(), key=lambda pool: pool.id)


def _offered_in(cluster: Cluster, offer: Offer) -> bool:
    same = (offer.provider, offer.account, offer.region) == (cluster.provider, cluster.account, cluster.region)
    return same and (not cluster.zones or offer.zone in cluster.zones)


def _open(cluster: Cluster) -> bool:
    return cluster.schedulability is Schedulability.OPEN and cluster.state in (ClusterState.READY, ClusterState.JOINING)


def _market_pool(snapshot: Snapshot, cluster: Cluster, offer: Offer, existing: int) -> Pool:
    cap = snapshot.caps.get(offer.id)
    spare = 0 if not _open(cluster) else (UNCAPPED if cap is None else cap.nodes)
    hazard = offer.interruptions_per_h or 0.0
    # An interrupted node is paid while its replacement is launched: the loss is its price over that time.
    effective = round(offer.price_micro_usd_per_h * (1 + hazard * offer.launch_s / 3600))
    price = offer.price_micro_usd_per_h
    return Pool(pool_id(cluster.id, offer.id), cluster, offer, existing, existing + spare, effective, price, cap=cap)


def _offer_of_node(snapshot: Snapshot, node: Node, cluster: Cluster) -> Offer:
    reference = next(iter(snapshot.offers), None)
    return Offer(
        instance_type=node.instance_type,
        region=cluster.region,
        zone=node.zone,
        capacity_type=node.capacity_type,
        price_micro_usd_per_h=node.price_micro_usd_per_h,
        availability=Availability.of_count(0),
        observed_at=snapshot.taken_at,
        source_kind=reference.source_kind if reference else SourceKind.DECLARED,
        source="price of the running node; its offer is no longer listed",
        account=cluster.account,
        jurisdiction=cluster.jurisdiction,
    )


def _reserved_offer(reservation: Reservation, snapshot: Snapshot) -> Offer | None:
    """The reservation as an offer that is free at the margin; None outside its window or without a known type."""
    if not reservation.holds_at(snapshot.taken_at):
        return None
    for offer in snapshot.offers:
        same = (offer.provider, offer.account, offer.region) == (reservation.provider, reservation.account, reservation.region)
        if same and offer.instance_type.name == reservation.instance_type:
            block = reservation.ends_at is not None
            return replace(
                offer,
                zone=reservation.zone or offer.zone,
                capacity_type=CapacityType.CAPACITY_BLOCK if block else CapacityType.RESERVED,
                price_micro_usd_per_h=0,
                availability=Availability.of_count(reservation.count),
                interruptions_per_h=None,
                source=f"reservation {reservation.id}",
            )
    return None


def _option(
    snapshot: Snapshot,
    deployment: Deployment,
    model: Model,
    pool: Pool,
    shape: EngineShape,
    running: dict[tuple[str, str, str], int],
) -> Option:
    current = running[deployment.id, pool.id, shape.id]
    if pool.cluster.state is ClusterState.SUSPECT:
        # Suspect is not lost: what may still serve is neither moved away nor added to.
        least, most = min(current, deployment.max_replicas), current
    elif pool.cluster.schedulability is Schedulability.DRAINING or pool.cluster.state is ClusterState.LOST:
        least, most = 0, 0
    elif pool.cluster.schedulability is Schedulability.CORDONED:
        least, most = 0, current
    else:
        least, most = 0, deployment.max_replicas
    return Option(deployment, pool, shape, current, least, most, start_cost(snapshot, model, pool, shape))


def cheapest_egress(snapshot: Snapshot) -> dict[str, int]:
    """The least price of bringing a GB to each place, as ``provider:region``; micro-USD."""
    found: dict[str, int] = {}
    for (_, to), price in snapshot.egress_micro_usd_per_gb.items():
        found[to] = min(price, found.get(to, price))
    return found


def start_cost(snapshot: Snapshot, model: Model, pool: Pool, shape: EngineShape) -> int:
    """Paying a node while it launches and loads, and moving the weights there, spread over the horizon; micro-USD/h."""
    share = shape.nodes if shape.nodes > 1 else shape.accelerators_per_node / pool.offer.instance_type.accelerator_count
    paid = pool.list_price * share * (pool.offer.launch_s + shape.start_s) / 3600
    prices = [price for (_, to), price in snapshot.egress_micro_usd_per_gb.items() if to == pool.place]
    egress = min(prices) * model.weights_gib if prices else 0.0
    return round((paid + egress) / snapshot.amortisation_h)
