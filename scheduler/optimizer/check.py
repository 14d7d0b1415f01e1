"""The independent checker: recomputes every rule from the snapshot and the target alone, without solver or model.

It shares no code with the formulation: pools, shares and shortages are derived anew, packing by search over whole
nodes, routability by a transport program of its own. Here are the rules of the fleet as a whole; ``promises`` has those of
single deployments.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from scheduler.domain.lifecycle import ClusterState, Schedulability
from scheduler.domain.offer import CapacityType, Offer, Quota
from scheduler.domain.plan import Target, Violation
from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer.judged import Judged
from scheduler.optimizer.packing import packs
from scheduler.optimizer.promises import PROMISES


def check(snapshot: Snapshot, target: Target) -> tuple[Violation, ...]:
    """Every rule the target breaks; empty means that it may be trusted. Missed wishes must be declared in ``unmet``."""
    judged = Judged(snapshot, target)
    found = list(_unknown(judged))
    if found:
        return tuple(found)
    for each in (_packing, _caps, _quotas, _reservations, _clusters, _costs):
        found.extend(each(judged))
    for deployment in snapshot.deployments:
        for promise in PROMISES:
            found.extend(promise(judged, deployment))
    return tuple(found)


def _unknown(judged: Judged) -> Iterator[Violation]:
    nodes = {node.offer_id for node in judged.snapshot.nodes}
    named = [(p.cluster, p.offer_id) for p in judged.target.placements] + [(p.cluster, p.offer_id) for p in judged.target.pools]
    for cluster, offer_id in named:
        if cluster not in judged.clusters:
            yield Violation("cluster", cluster, "the target names a cluster that does not exist")
        if offer_id not in judged.offers and offer_id not in nodes:
            yield Violation("offer", offer_id, "the target names an offer that does not exist")
    for placement in judged.target.placements:
        if placement.shape not in judged.shapes:
            yield Violation("shape", placement.shape, "the target names a shape that does not exist")


def _packing(judged: Judged) -> Iterator[Violation]:
    sizes: dict[str, list[int]] = defaultdict(list)
    offers: dict[str, str] = {}
    for placement in judged.target.placements:
        shape = judged.shapes[placement.shape]
        offers.setdefault(placement.pool, placement.offer_id)
        sizes[placement.pool] += [shape.accelerators_per_node] * shape.nodes * placement.replicas
    for pool, needed in sizes.items():
        have = judged.pools[pool].nodes if pool in judged.pools else 0
        if not packs(needed, judged.accelerators(offers[pool]), have):
            yield Violation("node packing", pool, f"replicas of sizes {sorted(needed)} do not fit {have} nodes")


def _caps(judged: Judged) -> Iterator[Violation]:
    launched: dict[str, int] = defaultdict(int)
    kept: dict[str, int] = defaultdict(int)
    for pool in judged.target.pools:
        launched[pool.offer_id] += pool.nodes
        kept[pool.offer_id] += judged.usable[pool.pool]
    for offer_id, count in launched.items():
        cap = judged.snapshot.caps.get(offer_id)
        if cap is not None and count - kept[offer_id] > cap.nodes:
            yield Violation("availability", offer_id, f"{count - kept[offer_id]} launches, at most {cap.nodes}: {cap.reason}")


def _quotas(judged: Judged) -> Iterator[Violation]:
    for quota in judged.snapshot.quotas:
        drawn = sum(pool.nodes * _draw(quota, judged.offer(pool)) for pool in judged.target.pools)
        if drawn > max(0, quota.limit - quota.used):
            yield Violation("quota", quota.id, f"{drawn} {quota.unit.value} drawn, {quota.limit - quota.used} left")


def _draw(quota: Quota, offer: Offer | None) -> int:
    return quota.units_of(offer.instance_type) if offer is not None and quota.covers(offer) else 0


def _reservations(judged: Judged) -> Iterator[Violation]:
    for reservation in judged.snapshot.reservations:
        kinds = (CapacityType.RESERVED, CapacityType.CAPACITY_BLOCK)
        used = 0
        for pool in judged.target.pools:
            offer = judged.offer(pool)
            if offer is None or offer.capacity_type not in kinds or offer.instance_type.name != reservation.instance_type:
                continue
            same = (offer.provider, offer.account, offer.region) == (reservation.provider, reservation.account, reservation.region)
            used += pool.nodes if same and offer.zone == (reservation.zone or offer.zone) else 0
        if used > reservation.count:
            yield Violation("reservation", reservation.id, f"{used} nodes in a reservation of {reservation.count}")


def _clusters(judged: Judged) -> Iterator[Violation]:
    running = judged.running
    for placement in judged.target.placements:
        cluster = judged.clusters[placement.cluster]
        now = running.get((placement.deployment, placement.pool, placement.shape), 0)
        if cluster.schedulability is Schedulability.DRAINING or cluster.state is ClusterState.LOST:
            yield Violation(
                "cluster", cluster.id, f"{placement.deployment} is placed on a cluster that is {cluster.state.value} or draining"
            )
        closed = cluster.schedulability is Schedulability.CORDONED or cluster.state is ClusterState.SUSPECT
        if closed and placement.replicas > now:
            yield Violation("cluster", cluster.id, f"{placement.deployment} grows from {now} to {placement.replicas} on a closed cluster")


def _costs(judged: Judged) -> Iterator[Violation]:
    for pool in judged.target.pools:
        offer = judged.offer(pool)
        if offer is not None and pool.price_micro_usd_per_h != offer.price_micro_usd_per_h:
            yield Violation("cost", pool.pool, f"priced at {pool.price_micro_usd_per_h}, the offer says {offer.price_micro_usd_per_h}")
    stated = {term.name: term.micro_usd_per_h for term in judged.target.terms}
    moves = _moves(judged)
    if stated.get("moves", moves) != moves:
        yield Violation("cost", "moves", f"stated as {stated['moves']}, starts come to {moves} micro-USD/h")
    total = sum(term.micro_usd_per_h for term in judged.target.terms)
    if total != judged.target.objective_micro_usd_per_h:
        yield Violation("cost", "objective", f"terms sum to {total}, the objective says {judged.target.objective_micro_usd_per_h}")
    if judged.target.bound_micro_usd_per_h > judged.target.objective_micro_usd_per_h:
        yield Violation("bound", "objective", "the lower bound exceeds the cost")


def _moves(judged: Judged) -> int:
    """Starts of replicas beyond those that run: node time while they launch and load, and their weights moved; micro-USD/h, amortised."""
    snapshot, running, total = judged.snapshot, judged.running, 0
    weights = {model.id: model.weights_gib for model in snapshot.models}
    for placement in judged.target.placements:
        started = placement.replicas - running.get((placement.deployment, placement.pool, placement.shape), 0)
        offer, shape, pool = judged.offer(placement), judged.shapes[placement.shape], judged.pools.get(placement.pool)
        if started <= 0 or offer is None or pool is None:
            continue
        share = shape.nodes if shape.nodes > 1 else shape.accelerators_per_node / offer.instance_type.accelerator_count
        paid = pool.price_micro_usd_per_h * share * (offer.launch_s + shape.start_s) / 3600
        there = f"{offer.provider}:{offer.region}"
        moved = min((price for (_, to), price in snapshot.egress_micro_usd_per_gb.items() if to == there), default=0)
        total += started * round((paid + moved * weights.get(shape.model, 0.0)) / snapshot.amortisation_h)
    return total
