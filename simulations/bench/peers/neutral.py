"""A problem as peers get it: pools, options and rules as plain numbers, so that no peer's script needs a line of ours.

It is derived by the verifier, which also judges the answers. Rules are data here, not rows: each peer expresses what it can.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from scheduler.verifier.options import Derived, Option, Pool
from scheduler.verifier.world import SPOT, Deployment


def neutral(derived: Derived) -> dict[str, Any]:
    """The problem in numbers. Pools, options and limits refer to one another by position; prices are micro-USD per hour."""
    pools = list(derived.pools.values())
    position = {pool.id: index for index, pool in enumerate(pools)}
    options: list[dict[str, Any]] = []
    deployments = []
    for deployment in derived.world.deployments:
        mine = derived.options(deployment)
        classes = _classes(derived, deployment, mine)
        first = len(options)
        options += [_option(option, position[option.pool.id], classes) for option in mine]
        deployments.append(_deployment(deployment, [each["tokens_per_s"] for each in classes], list(range(first, len(options)))))
    return {"pools": [_pool(pool) for pool in pools], "limits": _limits(derived, position), "options": options, "deployments": deployments}


def _pool(pool: Pool) -> dict[str, Any]:
    return {"id": pool.id, "most": pool.most, "price": pool.effective, "size": pool.offer.kind.accelerators, "existing": pool.existing}


def _option(option: Option, pool: int, classes: list[dict[str, Any]]) -> dict[str, Any]:
    offer = option.pool.offer
    return {
        "deployment": option.deployment.id,
        "pool": pool,
        "shape": option.shape.id,
        "accelerator": offer.kind.accelerator,
        "gpus": option.shape.accelerators,
        "per_node": option.shape.per_node,
        "nodes": option.shape.nodes,
        "most": option.most,
        "running": option.running,
        "start": option.start,
        "share_price": option.pool.price * option.shape.accelerators / offer.kind.accelerators,
        "rates": [option.shape.rate(each["bucket"]) if option.pool.id in each["pools"] else 0.0 for each in classes],
        "domains": {kind: offer.domain(kind) for kind in ("zone", "region", "provider")},
        "spot": offer.capacity_type == SPOT,
        "spot_group": offer.spot_group,
        "cluster": option.pool.cluster.id,
    }


def _classes(derived: Derived, deployment: Deployment, options: list[Option]) -> list[dict[str, Any]]:
    """Demand of the same bucket that may be served from the same pools."""
    pools = {option.pool.id: option.pool for option in options}
    merged: dict[tuple[str, frozenset[str]], float] = defaultdict(float)
    for index, demand in enumerate(deployment.demand):
        if demand.tokens_per_s > 0:
            where = frozenset(name for name, pool in pools.items() if derived.serves(deployment, pool, index))
            merged[demand.bucket, where] += demand.tokens_per_s
    return [{"bucket": bucket, "pools": where, "tokens_per_s": amount} for (bucket, where), amount in merged.items()]


def _deployment(deployment: Deployment, classes: list[float], options: list[int]) -> dict[str, Any]:
    rules = deployment.rules
    return {
        "id": deployment.id,
        "classes": classes,
        "headroom": deployment.headroom,
        "min": deployment.min_replicas,
        "max": deployment.max_replicas,
        "survivability": rules.survivability,
        "spread": rules.spread,
        "spot_ceiling": rules.spot_ceiling,
        "spot_loss_share": rules.spot_loss_share,
        "pins": rules.pins,
        "budget": deployment.budget,
        "options": options,
    }


def _limits(derived: Derived, position: dict[str, int]) -> list[dict[str, Any]]:
    """Launch caps over clusters, quotas and reservations: sum of units * nodes <= right."""
    of_offer: dict[str, list[Pool]] = defaultdict(list)
    of_reservation: dict[str, list[Pool]] = defaultdict(list)
    for pool in derived.pools.values():
        (of_reservation[pool.reservation] if pool.reservation else of_offer[pool.offer.id]).append(pool)
    found = []
    for offer in derived.world.offers:
        if offer.cap is not None and len(of_offer[offer.id]) > 1:
            most = offer.cap + sum(pool.existing for pool in of_offer[offer.id])
            found.append({"right": most, "units": [[position[pool.id], 1] for pool in of_offer[offer.id]]})
    found += [
        {"right": reservation.count, "units": [[position[pool.id], 1] for pool in of_reservation[reservation.id]]}
        for reservation in derived.world.reservations
    ]
    for quota in derived.world.quotas:
        drawn = [[position[p.id], units] for pools in of_offer.values() for p in pools if (units := quota.units(p.offer))]
        if drawn:
            found.append({"right": quota.left, "units": drawn})
    return [limit for limit in found if limit["units"]]
