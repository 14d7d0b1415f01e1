"""Rules that hold over the whole plan: names, packing, launch caps, quotas, reservations, cordons."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from scheduler.verifier.claims import Plan
from scheduler.verifier.options import Derived, forbidden, most_replicas
from scheduler.verifier.packing import fits


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that the plan breaks, on what, with the numbers."""

    rule: str
    subject: str
    text: str


def names(derived: Derived, plan: Plan) -> Iterator[Violation]:
    """Every name leads somewhere, and a pool's id is its cluster and offer. The other rules need this to hold."""
    deployments = {each.id for each in derived.world.deployments}
    named = {(p.pool, p.cluster, p.offer_id) for p in plan.placements} | {(p.pool, p.cluster, p.offer_id) for p in plan.pools}
    for pool, cluster, offer in sorted(named):
        if pool != f"{cluster}|{offer}":
            yield Violation("pool", pool, f"its cluster is given as {cluster} and its offer as {offer}")
        elif pool not in derived.pools:
            yield Violation("pool", pool, "the problem has no such pool: the offer is not sold there, or the cluster does not exist")
    for placed in plan.placements:
        if placed.deployment not in deployments:
            yield Violation("deployment", placed.deployment, "the problem has no such deployment")
        if placed.shape not in derived.shapes:
            yield Violation("shape", placed.shape, "the problem has no such shape")
    for kind, ids in (("placement", ["; ".join(p.key) for p in plan.placements]), ("pool", [p.pool for p in plan.pools])):
        for name in sorted(name for name, count in Counter(ids).items() if count > 1):
            yield Violation(kind, name, "it is listed twice")
    for short in plan.unmet:
        if short.deployment not in deployments:
            yield Violation("deployment", short.deployment, "the problem has no such deployment")


def packing(derived: Derived, plan: Plan) -> Iterator[Violation]:
    """A replica's accelerators lie inside one node, or a gang on whole ones."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for placed in plan.placements:
        shape = derived.shapes[placed.shape]
        sizes[placed.pool] += [shape.per_node] * shape.nodes * placed.replicas
    nodes = {each.pool: each.nodes for each in plan.pools}
    for pool, needed in sorted(sizes.items()):
        room = derived.pools[pool].offer.kind.accelerators
        if (answer := fits(needed, room, nodes.get(pool, 0))) is not True:
            text = "do not fit" if answer is False else "could not be shown to fit"
            yield Violation("packing", pool, f"replicas that need {sum(needed)} accelerators {text} {nodes.get(pool, 0)} nodes of {room}")


def caps(derived: Derived, plan: Plan) -> Iterator[Violation]:
    """No more nodes than run and could be launched: per pool, and per offer over all its clusters."""
    wanted: dict[str, int] = defaultdict(int)
    for held in plan.pools:
        pool = derived.pools[held.pool]
        if held.nodes > pool.most:
            yield Violation("availability", pool.id, f"{held.nodes} nodes, at most {pool.most} can be had")
        if not pool.reservation:
            wanted[pool.offer.id] += held.nodes
    existing: dict[str, int] = defaultdict(int)
    for pool in derived.pools.values():
        existing[pool.offer.id] += pool.existing
    for offer in derived.world.offers:
        count = wanted.get(offer.id, 0)
        if offer.cap is not None and count > existing[offer.id] + offer.cap:
            yield Violation("availability", offer.id, f"{count} nodes, {existing[offer.id]} run and {offer.cap} more can be launched")


def quotas(derived: Derived, plan: Plan) -> Iterator[Violation]:
    """Per quota, in its own unit, outside reservations."""
    for quota in derived.world.quotas:
        pools = ((derived.pools[held.pool], held.nodes) for held in plan.pools)
        drawn = sum(quota.units(pool.offer) * nodes for pool, nodes in pools if not pool.reservation)
        if drawn > quota.left:
            yield Violation("quota", quota.id, f"{drawn} {quota.unit} drawn, {quota.left} left")


def reservations(derived: Derived, plan: Plan) -> Iterator[Violation]:
    """Over all clusters, no more nodes of a reservation than it holds."""
    for reservation in derived.world.reservations:
        used = sum(held.nodes for held in plan.pools if derived.pools[held.pool].reservation == reservation.id)
        if used > reservation.count:
            yield Violation("reservation", reservation.id, f"{used} nodes, it holds {reservation.count}")


def allowed(derived: Derived, plan: Plan) -> Iterator[Violation]:
    """Every placement is allowed by its deployment's own rules, and by the state of its cluster."""
    deployments = {each.id: each for each in derived.world.deployments}
    for placed in plan.placements:
        deployment, pool = deployments[placed.deployment], derived.pools[placed.pool]
        no = forbidden(deployment, pool, derived.shapes[placed.shape])
        if no is not None:
            yield Violation(no[0], deployment.id, f"{no[1]} (placed in {pool.id})")
        most = most_replicas(deployment, pool.cluster, derived.running.get(placed.key, 0))
        if placed.replicas > most and most < deployment.max_replicas:
            text = f"{deployment.id} has {placed.replicas} replicas there, at most {most}"
            yield Violation("cluster", pool.cluster.id, f"{text}: it is {pool.cluster.state} and {pool.cluster.schedulability}")


def suspects(derived: Derived, plan: Plan) -> Iterator[Violation]:
    """What may still serve in a suspect cluster is not moved away, except where the plan says that it falls short."""
    placed = {each.key: each.replicas for each in plan.placements}
    deployments = {each.id: each for each in derived.world.deployments}
    for key, running in sorted(derived.running.items()):
        deployment, pool, shape = deployments.get(key[0]), derived.pools.get(key[1]), derived.shapes.get(key[2])
        if deployment is None or pool is None or shape is None or pool.cluster.state != "suspect" or plan.short(key[0]):
            continue
        kept, least = placed.get(key, 0), min(running, deployment.max_replicas)
        if kept < least and forbidden(deployment, pool, shape) is None:
            yield Violation("cluster", pool.cluster.id, f"{deployment.id} keeps {kept} of {least} replicas in a suspect cluster")


FLEET_RULES = (packing, caps, quotas, reservations, allowed, suspects)
