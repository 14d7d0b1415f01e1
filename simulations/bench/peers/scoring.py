"""From a peer's counts to a plan document, and from there to its score by the verifier."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

from scheduler.verifier import Verdict, verify
from scheduler.verifier.claims import Placed, read_plan
from scheduler.verifier.cost import terms
from scheduler.verifier.options import Derived
from scheduler.verifier.packing import fits
from scheduler.verifier.promises import Judged
from scheduler.verifier.reading import exact

Counts = dict[str, int]


def plan_of(derived: Derived, model: dict[str, Any], replicas: Counts, nodes: Counts | None) -> dict[str, Any]:
    """A plan document of these counts, by position of option and pool; where no nodes are told, the fewest that hold the replicas."""
    placed = {int(index): count for index, count in replicas.items() if count}
    used = {int(index): count for index, count in nodes.items() if count} if nodes is not None else _fewest(model, placed)
    pools = [derived.pools[model["pools"][index]["id"]] for index in used]
    document: dict[str, Any] = {
        "format": "headrace-plan",
        "version": 1,
        "status": "peer",
        "placements": [_placement(model, index, count) for index, count in sorted(placed.items())],
        "pools": [
            {
                "pool": pool.id,
                "cluster": pool.cluster.id,
                "offer_id": pool.offer.id,
                "nodes": count,
                "existing": pool.existing,
                "price_micro_usd_per_h": pool.price,
            }
            for pool, count in zip(pools, used.values(), strict=True)
        ],
        "routes": [],
        "unmet": [],
        "cost": {"total_micro_usd_per_h": 0, "terms": []},
        "bound_micro_usd_per_h": 0,
    }
    found = terms(derived, read_plan(json.dumps(document)))
    document["cost"] = {
        "total_micro_usd_per_h": sum(found.values()),
        "terms": [{"name": name, "micro_usd_per_h": amount, "text": ""} for name, amount in found.items()],
    }
    return document


def _placement(model: dict[str, Any], index: int, count: int) -> dict[str, Any]:
    option = model["options"][index]
    cluster, _, offer = model["pools"][option["pool"]]["id"].partition("|")
    names = {"deployment": option["deployment"], "shape": option["shape"], "pool": f"{cluster}|{offer}"}
    return names | {"cluster": cluster, "offer_id": offer, "replicas": count}


def _fewest(model: dict[str, Any], placed: dict[int, int]) -> dict[int, int]:
    sizes: dict[int, list[int]] = defaultdict(list)
    for index, count in placed.items():
        option = model["options"][index]
        sizes[option["pool"]] += [option["per_node"]] * option["nodes"] * count
    found = {}
    for pool, needed in sizes.items():
        size = model["pools"][pool]["size"]
        count = -(-sum(needed) // size)
        while fits(needed, size, count) is not True:
            count += 1
        found[pool] = count
    return found


def scored(problem: str, derived: Derived, plan: dict[str, Any]) -> dict[str, Any]:
    """Cost, violations by rule, share of demand that is not served, and replicas that have to start."""
    verdict = verify(problem, json.dumps(plan))
    return {
        "usd_per_h": round(verdict.total / 1e6, 4),
        "violations": dict(sorted(Counter(each.rule for each in verdict.violations).items())),
        "broken_deployments": _broken(derived, verdict),
        "unmet_share": round(float(_unmet(derived, verdict)), 6),
        "starts": _starts(derived, verdict),
    }


def _broken(derived: Derived, verdict: Verdict) -> int:
    names = {each.id for each in derived.world.deployments}
    return len({each.subject for each in verdict.violations} & names)


def _unmet(derived: Derived, verdict: Verdict) -> Fraction:
    """Demand with headroom that cannot be served, as a share of all."""
    placed: dict[str, list[Placed]] = verdict.plan.placed_of
    served = wanted = Fraction(0)
    for deployment in derived.world.deployments:
        judged = Judged(derived, verdict.plan, deployment, placed.get(deployment.id, []))
        one, all_of_it = judged.served(set(), 1 + exact(deployment.headroom))
        served, wanted = served + one, wanted + all_of_it
    return (wanted - served) / wanted if wanted else Fraction(0)


def _starts(derived: Derived, verdict: Verdict) -> int:
    return sum(max(0, each.replicas - derived.running.get(each.key, 0)) for each in verdict.plan.placements)
