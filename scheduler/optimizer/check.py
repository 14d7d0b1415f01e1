"""The independent checker: recomputes every rule from the snapshot and the target alone, without solver or model.

It shares no code with the formulation: pools, shares and shortages are derived anew, packing by search over whole
nodes, routability by a transport program of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scheduler.domain.fleet import Cluster
from scheduler.domain.jurisdiction import within
from scheduler.domain.lifecycle import NODE_USABLE, REPLICA_ENDED, ClusterState, ReplicaState, Schedulability
from scheduler.domain.offer import CapacityType, Offer, Quota
from scheduler.domain.plan import Placement, PoolTarget, Target, Violation
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import Deployment, EngineShape, FailureDomain
from scheduler.optimizer.packing import packs
from scheduler.optimizer.transport import routable

TOLERANCE = 1e-5


@dataclass(frozen=True)
class _World:
    snapshot: Snapshot
    target: Target
    offers: dict[str, Offer]
    clusters: dict[str, Cluster]
    shapes: dict[str, EngineShape]

    def placed(self, deployment: str) -> list[Placement]:
        return [p for p in self.target.placements if p.deployment == deployment]

    def offer(self, item: Placement | PoolTarget) -> Offer | None:
        return self.offers.get(item.offer_id)


def check(snapshot: Snapshot, target: Target) -> tuple[Violation, ...]:
    """Every rule the target breaks; empty means that it may be trusted. Missed wishes must be declared in ``unmet``."""
    world = _World(
        snapshot,
        target,
        _offers(snapshot),
        {cluster.id: cluster for cluster in snapshot.clusters},
        {shape.id: shape for shape in snapshot.shapes},
    )
    found = list(_unknown(world))
    if found:
        return tuple(found)
    for each in (_packing, _caps, _quotas, _reservations, _clusters, _costs):
        found.extend(each(world))
    for deployment in snapshot.deployments:
        for rule in (_counts, _demand, _placement_rules, _survival, _spot, _spread, _pins, _budget):
            found.extend(rule(world, deployment))
    return tuple(found)


def _offers(snapshot: Snapshot) -> dict[str, Offer]:
    known = {offer.id: offer for offer in snapshot.offers}
    for reservation in snapshot.reservations:
        kind = CapacityType.CAPACITY_BLOCK if reservation.ends_at else CapacityType.RESERVED
        for offer in snapshot.offers:
            same = (offer.provider, offer.account, offer.region) == (reservation.provider, reservation.account, reservation.region)
            if same and offer.instance_type.name == reservation.instance_type and reservation.holds_at(snapshot.taken_at):
                held = replace(offer, zone=reservation.zone or offer.zone, capacity_type=kind, price_micro_usd_per_h=0)
                known[held.id] = held
    return known


def _unknown(world: _World) -> Iterator[Violation]:
    nodes = {node.offer_id for node in world.snapshot.nodes}
    named = [(p.cluster, p.offer_id) for p in world.target.placements] + [(p.cluster, p.offer_id) for p in world.target.pools]
    for cluster, offer_id in named:
        if cluster not in world.clusters:
            yield Violation("cluster", cluster, "the target names a cluster that does not exist")
        if offer_id not in world.offers and offer_id not in nodes:
            yield Violation("offer", offer_id, "the target names an offer that does not exist")
    for placement in world.target.placements:
        if placement.shape not in world.shapes:
            yield Violation("shape", placement.shape, "the target names a shape that does not exist")


def _accelerators(world: _World, offer_id: str) -> int:
    offer = world.offers.get(offer_id)
    if offer is not None:
        return offer.instance_type.accelerator_count
    return next(n.instance_type.accelerator_count for n in world.snapshot.nodes if n.offer_id == offer_id)


def _packing(world: _World) -> Iterator[Violation]:
    sizes: dict[str, list[int]] = defaultdict(list)
    for placement in world.target.placements:
        shape = world.shapes[placement.shape]
        sizes[placement.pool] += [shape.accelerators_per_node] * shape.nodes * placement.replicas
    nodes = {pool.pool: pool for pool in world.target.pools}
    for pool, needed in sizes.items():
        have = nodes[pool].nodes if pool in nodes else 0
        offer = next(p.offer_id for p in world.target.placements if p.pool == pool)
        if not packs(needed, _accelerators(world, offer), have):
            yield Violation("node packing", pool, f"replicas of sizes {sorted(needed)} do not fit {have} nodes")


def _usable(world: _World, pool: str) -> int:
    return sum(node.pool == pool and node.state in NODE_USABLE for node in world.snapshot.nodes)


def _caps(world: _World) -> Iterator[Violation]:
    launched: dict[str, int] = defaultdict(int)
    kept: dict[str, int] = defaultdict(int)
    for pool in world.target.pools:
        launched[pool.offer_id] += pool.nodes
        kept[pool.offer_id] += _usable(world, pool.pool)
    for offer_id, count in launched.items():
        cap = world.snapshot.caps.get(offer_id)
        if cap is not None and count - kept[offer_id] > cap.nodes:
            yield Violation("availability", offer_id, f"{count - kept[offer_id]} launches, at most {cap.nodes}: {cap.reason}")


def _quotas(world: _World) -> Iterator[Violation]:
    for quota in world.snapshot.quotas:
        drawn = sum(pool.nodes * _draw(quota, world.offer(pool)) for pool in world.target.pools)
        if drawn > max(0, quota.limit - quota.used):
            yield Violation("quota", quota.id, f"{drawn} {quota.unit.value} drawn, {quota.limit - quota.used} left")


def _draw(quota: Quota, offer: Offer | None) -> int:
    return quota.units_of(offer.instance_type) if offer is not None and quota.covers(offer) else 0


def _reservations(world: _World) -> Iterator[Violation]:
    for reservation in world.snapshot.reservations:
        kinds = (CapacityType.RESERVED, CapacityType.CAPACITY_BLOCK)
        used = 0
        for pool in world.target.pools:
            offer = world.offer(pool)
            if offer is None or offer.capacity_type not in kinds or offer.instance_type.name != reservation.instance_type:
                continue
            same = (offer.provider, offer.account, offer.region) == (reservation.provider, reservation.account, reservation.region)
            used += pool.nodes if same and offer.zone == (reservation.zone or offer.zone) else 0
        if used > reservation.count:
            yield Violation("reservation", reservation.id, f"{used} nodes in a reservation of {reservation.count}")


def _clusters(world: _World) -> Iterator[Violation]:
    running = _running(world)
    for placement in world.target.placements:
        cluster = world.clusters[placement.cluster]
        now = running.get((placement.deployment, placement.pool, placement.shape), 0)
        if cluster.schedulability is Schedulability.DRAINING or cluster.state is ClusterState.LOST:
            yield Violation(
                "cluster", cluster.id, f"{placement.deployment} is placed on a cluster that is {cluster.state.value} or draining"
            )
        closed = cluster.schedulability is Schedulability.CORDONED or cluster.state is ClusterState.SUSPECT
        if closed and placement.replicas > now:
            yield Violation("cluster", cluster.id, f"{placement.deployment} grows from {now} to {placement.replicas} on a closed cluster")


def _running(world: _World) -> dict[tuple[str, str, str], int]:
    leaving = REPLICA_ENDED | {ReplicaState.DRAINING, ReplicaState.STOPPING}
    usable = {node.id: node for node in world.snapshot.nodes if node.state in NODE_USABLE}
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for replica in world.snapshot.replicas:
        if replica.state not in leaving and all(node in usable for node in replica.nodes):
            counts[replica.deployment, usable[replica.nodes[0]].pool, replica.shape] += 1
    return counts


def _costs(world: _World) -> Iterator[Violation]:
    for pool in world.target.pools:
        offer = world.offer(pool)
        if offer is not None and pool.price_micro_usd_per_h != offer.price_micro_usd_per_h:
            yield Violation("cost", pool.pool, f"priced at {pool.price_micro_usd_per_h}, the offer says {offer.price_micro_usd_per_h}")
    total = sum(term.micro_usd_per_h for term in world.target.terms)
    if total != world.target.objective_micro_usd_per_h:
        yield Violation("cost", "objective", f"terms sum to {total}, the objective says {world.target.objective_micro_usd_per_h}")
    if world.target.bound_micro_usd_per_h > world.target.objective_micro_usd_per_h:
        yield Violation("bound", "objective", "the lower bound exceeds the cost")


def _missed(world: _World, deployment: Deployment) -> bool:
    """A declared shortage: the plan says itself that this deployment's wishes are not all met."""
    return any(unmet.deployment == deployment.id for unmet in world.target.unmet)


def _counts(world: _World, deployment: Deployment) -> Iterator[Violation]:
    total = sum(p.replicas for p in world.placed(deployment.id))
    if total > deployment.max_replicas:
        yield Violation("max_replicas", deployment.id, f"{total} replicas, at most {deployment.max_replicas}")
    if total < deployment.min_replicas and not _missed(world, deployment):
        yield Violation("min_replicas", deployment.id, f"{total} replicas, at least {deployment.min_replicas}")


def _served(world: _World, deployment: Deployment, lost: set[str], factor: float) -> tuple[float, float]:
    """(routable, wanted) tokens/s when some pools are lost and demand is scaled by ``factor``."""
    left = [p for p in world.placed(deployment.id) if p.pool not in lost]
    wanted = [factor * demand.tokens_per_s for demand in deployment.demand]
    capacity: list[float] = []
    edges: dict[tuple[int, int], float] = {}
    for column, placement in enumerate(left):
        shape, cluster = world.shapes[placement.shape], world.clusters[placement.cluster]
        place = f"{cluster.provider}:{cluster.region}"
        capacity.append(float(placement.replicas))
        for row, demand in enumerate(deployment.demand):
            rate = shape.rate(demand.bucket)
            near = world.snapshot.near(demand.origin, place, demand.latency_ms_max)
            if rate > 0 and near and within(cluster.jurisdiction, demand.jurisdictions):
                edges[row, column] = rate
    return routable(wanted, capacity, edges), sum(wanted)


def _demand(world: _World, deployment: Deployment) -> Iterator[Violation]:
    served, wanted = _served(world, deployment, set(), 1 + deployment.headroom)
    if served < wanted * (1 - TOLERANCE) and not _missed(world, deployment):
        yield Violation("demand", deployment.id, f"{served:.1f} of {wanted:.1f} tokens/s (with headroom) can be served")


def _domain(offer: Offer, kind: FailureDomain) -> str:
    parts = {FailureDomain.PROVIDER: 1, FailureDomain.REGION: 2, FailureDomain.ZONE: 3}
    return ":".join((offer.provider, offer.region, offer.zone)[: parts[kind]])


def _survival(world: _World, deployment: Deployment) -> Iterator[Violation]:
    rule = deployment.rules.survivability
    if rule is None or _missed(world, deployment):
        return
    pools = {p.pool: world.offers[p.offer_id] for p in world.placed(deployment.id) if p.offer_id in world.offers}
    for name in sorted({_domain(offer, rule.domain) for offer in pools.values()}):
        lost = {pool for pool, offer in pools.items() if _domain(offer, rule.domain) == name}
        served, wanted = _served(world, deployment, lost, rule.share)
        if served < wanted * (1 - TOLERANCE):
            yield Violation("survivability", deployment.id, f"after losing {name} only {served:.1f} of {wanted:.1f} tokens/s are served")


def _spot(world: _World, deployment: Deployment) -> Iterator[Violation]:
    placed = [(p, world.offers.get(p.offer_id)) for p in world.placed(deployment.id)]
    total = sum(p.replicas for p, _ in placed)
    spot = [(p, offer) for p, offer in placed if offer is not None and offer.capacity_type.revocable]
    if sum(p.replicas for p, _ in spot) > deployment.rules.spot_ceiling * total + TOLERANCE:
        yield Violation("spot_ceiling", deployment.id, f"{sum(p.replicas for p, _ in spot)} of {total} replicas on spot")
    if deployment.rules.spot_loss_share <= 0 or _missed(world, deployment):
        return
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for placement, offer in spot:
        groups[offer.provider, offer.region, offer.instance_type.accelerator].add(placement.pool)
    for name, pools in sorted(groups.items()):
        served, wanted = _served(world, deployment, pools, deployment.rules.spot_loss_share)
        if served < wanted * (1 - TOLERANCE):
            yield Violation(
                "spot_loss_share", deployment.id, f"after losing spot {':'.join(name)} {served:.1f} of {wanted:.1f} tokens/s are served"
            )


def _placement_rules(world: _World, deployment: Deployment) -> Iterator[Violation]:
    rules = deployment.rules
    for placement in world.placed(deployment.id):
        offer, cluster, shape = world.offers.get(placement.offer_id), world.clusters[placement.cluster], world.shapes[placement.shape]
        if offer is None:
            continue
        checks = (
            ("providers", rules.providers, offer.provider),
            ("regions", rules.regions, offer.region),
            ("clusters", rules.clusters, cluster.id),
            ("accelerators", rules.accelerators, offer.instance_type.accelerator),
            ("capacity_types", rules.capacity_types, offer.capacity_type.value),
            ("shape", (shape.accelerator,), offer.instance_type.accelerator),
            ("model", (deployment.model,), shape.model),
            ("place", (cluster.region,), offer.region),
        )
        for rule, allowed, have in checks:
            if allowed and have not in allowed:
                yield Violation(rule, deployment.id, f"{have} is not among {', '.join(allowed)}")
        if not within(cluster.jurisdiction, rules.jurisdictions):
            yield Violation("jurisdictions", deployment.id, f"{cluster.id} is in {cluster.jurisdiction or 'an unknown place'}")


def _spread(world: _World, deployment: Deployment) -> Iterator[Violation]:
    rule = deployment.rules.spread
    placed = world.placed(deployment.id)
    if rule is None or not placed:
        return
    counts: dict[str, int] = defaultdict(int)
    for placement in placed:
        offer = world.offers.get(placement.offer_id)
        counts[_domain(offer, rule.domain) if offer else placement.cluster] += placement.replicas
    total = sum(counts.values())
    for name, count in counts.items():
        if count > rule.max_share * total + TOLERANCE:
            yield Violation("spread", deployment.id, f"{count} of {total} replicas in {name}, at most {rule.max_share:.0%}")


def _pins(world: _World, deployment: Deployment) -> Iterator[Violation]:
    for cluster in deployment.rules.pins:
        if not any(p.cluster == cluster for p in world.placed(deployment.id)) and not _missed(world, deployment):
            yield Violation("pins", deployment.id, f"no replica in {cluster}")


def _budget(world: _World, deployment: Deployment) -> Iterator[Violation]:
    if deployment.budget_micro_usd_per_h is None:
        return
    spent = 0.0
    for placement in world.placed(deployment.id):
        shape, size = world.shapes[placement.shape], _accelerators(world, placement.offer_id)
        price = next(p.price_micro_usd_per_h for p in world.target.pools if p.pool == placement.pool)
        spent += placement.replicas * price * shape.nodes * shape.accelerators_per_node / size
    if spent > deployment.budget_micro_usd_per_h * (1 + TOLERANCE):
        yield Violation("budget", deployment.id, f"{spent:.0f} of {deployment.budget_micro_usd_per_h} micro-USD/h")
