"""Leave out what cannot be part of a better answer: the same hardware in the same place at a higher price, while enough of the
cheaper one can be had.

Pools are alike when nothing in the rules tells them apart: cluster, failure domain, kind of capacity, accelerator and count, and
the quotas they draw on. Of alike pools the cheapest are kept until together they could hold everything the deployments could
use of them. What runs nodes already is always kept.
"""

from __future__ import annotations

import math
from collections import defaultdict

from scheduler.domain.plan import Reason
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.units import usd_text
from scheduler.domain.workload import Deployment, FailureDomain
from scheduler.optimizer.problem import Option, Pool, Problem
from scheduler.optimizer.rules import rejected


def reduce(problem: Problem) -> Problem:
    """The same problem without dominated pools; what was left out is told as reasons."""
    groups: dict[tuple[object, ...], list[Pool]] = defaultdict(list)
    zones_matter = any(_minds_zones(deployment) for deployment in problem.snapshot.deployments)
    for pool in problem.pools:
        if not pool.reservation and problem.options_in.get(pool.id):
            groups[_kind(problem.snapshot, pool, zones_matter)].append(pool)
    dropped: dict[str, Pool] = {}
    for pools in groups.values():
        dropped |= _dominated(problem, pools)
    if not dropped:
        return problem
    options = tuple(option for option in problem.options if option.pool.id not in dropped)
    found: dict[tuple[str, str], Option] = {(o.deployment.id, o.pool.id): o for o in problem.options if o.pool.id in dropped}
    noes = tuple(_reason(option, dropped[option.pool.id]) for option in found.values())
    return Problem(problem.snapshot, problem.pools, options, problem.rejected + noes, problem.relaxed)


def _kind(snapshot: Snapshot, pool: Pool, zones_matter: bool) -> tuple[object, ...]:
    offer = pool.offer
    quotas = tuple(sorted(quota.id for quota in snapshot.quotas if quota.covers(offer)))
    drawn = tuple(quota.units_of(offer.instance_type) for quota in snapshot.quotas if quota.covers(offer))
    zone = offer.zone if zones_matter else ""
    hardware = (offer.instance_type.accelerator, offer.instance_type.accelerator_count)
    return (pool.cluster.id, zone, offer.capacity_type, hardware, quotas, drawn)


def _minds_zones(deployment: Deployment) -> bool:
    survivability, spread = deployment.rules.survivability, deployment.rules.spread
    return any(rule is not None and rule.domain is FailureDomain.ZONE for rule in (survivability, spread))


def _dominated(problem: Problem, pools: list[Pool]) -> dict[str, Pool]:
    """Pools that are not needed, each with the cheapest pool of its kind."""
    ordered = sorted(pools, key=lambda pool: (pool.existing == 0, pool.price, pool.id))
    enough = sum(_most_nodes(problem, pools, deployment) for deployment in problem.snapshot.deployments)
    spare, dropped = 0, {}
    best = min(pools, key=lambda pool: (pool.price, pool.id))
    for pool in ordered:
        if pool.existing == 0 and spare >= enough:
            dropped[pool.id] = best
        else:
            spare += pool.max_nodes
    return dropped


def _most_nodes(problem: Problem, pools: list[Pool], deployment: Deployment) -> int:
    """More nodes of this kind than the deployment could use in any optimal answer: twice its whole demand, and its minimum."""
    names = {pool.id for pool in pools}
    most = 0
    for option in problem.options_of[deployment.id]:
        if option.pool.id in names:
            rates = [option.shape.rate(demand.bucket) for demand in deployment.demand]
            slowest = min((rate for rate in rates if rate > 0), default=0.0)
            full = math.ceil(deployment.tokens_per_s * (1 + deployment.headroom) / slowest) if slowest else 0
            replicas = min(deployment.max_replicas, 2 * full + deployment.min_replicas)
            most = max(most, math.ceil(replicas * option.node_share))
    return most


def _reason(option: Option, cheaper: Pool) -> Reason:
    pool = option.pool
    text = (
        f"the same accelerators cost {usd_text(pool.list_price, 4)}/h a node here and {usd_text(cheaper.list_price, 4)}/h "
        f"as {cheaper.offer.instance_type.name}, with enough in stock"
    )
    change = f"a node price below {usd_text(cheaper.list_price, 4)}/h"
    return rejected(option.deployment, pool.offer, pool.cluster, "dominated", text, change)
