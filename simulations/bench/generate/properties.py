"""How hard a generated problem turned out: figures of a plan for it, and how far cheapest-first stays behind."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from typing import Any

from scheduler.domain.plan import Target
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import FailureDomain
from scheduler.optimizer import SolveSettings, check, solve
from simulations.bench.generate.assemble import Generated
from simulations.bench.generate.ground import effective_price


def properties(made: Generated, plan: Target, name: str) -> dict[str, Any]:
    """Figures of one plan. Cheapest-first minds no quota and starts from an empty fleet; what it cannot place costs it nothing."""
    snapshot = made.snapshot
    replicas: Counter[str] = Counter()
    for placement in plan.placements:
        replicas[placement.deployment] += placement.replicas
    binding, attractive = _caps(snapshot, plan)
    rules = [deployment.rules.survivability for deployment in snapshot.deployments]
    surviving = sum(rule is not None and rule.domain is FailureDomain.PROVIDER for rule in rules)
    return {
        "plan": name,
        "unmet": len(plan.unmet),
        "usd_per_h": round(plan.objective_micro_usd_per_h / 1e6, 2),
        "median_replicas": statistics.median(replicas.values()) if replicas else 0,
        "nodes": sum(pool.nodes for pool in plan.pools),
        "caps_attractive": attractive,
        "share_of_caps_binding": round(binding / max(1, attractive), 3),
        "share_surviving_a_provider": round(surviving / max(1, len(rules)), 3),
        "cheapest_first_over_plan": round(made.cheapest.objective_micro_usd_per_h / max(1, plan.node_cost_micro_usd_per_h), 4),
        "cheapest_first_unplaced": made.unplaced,
    }


def _caps(snapshot: Snapshot, plan: Target) -> tuple[int, int]:
    """Attractive offers that are sold out by the plan, and all attractive ones.

    An offer with stock is attractive where its GPUs cost no more than the dearest of the same card that the plan pays for.
    """
    offers = {offer.id: offer for offer in snapshot.offers}
    wanted, running = Counter[str](), Counter(node.offer_id for node in snapshot.nodes)
    for pool in plan.pools:
        # Reserved nodes are on no offer that has a cap.
        wanted[pool.offer_id] += pool.nodes if pool.offer_id in offers else 0
    price = {name: effective_price(offer) / offer.instance_type.accelerator_count for name, offer in offers.items()}
    dearest: dict[str, float] = defaultdict(float)
    for name in (name for name in wanted if wanted[name]):
        card = offers[name].instance_type.accelerator
        dearest[card] = max(dearest[card], price[name])
    stock = {name: cap.nodes + running[name] for name, cap in snapshot.caps.items() if cap.nodes + running[name] > 0}
    attractive = [name for name in stock if name in offers and price[name] <= dearest[offers[name].instance_type.accelerator]]
    return sum(wanted[name] >= stock[name] for name in attractive), len(attractive)


def solved_properties(made: Generated, time_limit_s: float, seed: int) -> dict[str, Any]:
    """Figures of the solver's plan, with the proven gap and the cost of cheapest-first over it."""
    plan = solve(made.snapshot, SolveSettings(time_limit_s=time_limit_s, seed=seed, explain=False))
    figures = properties(made, plan, "solved")
    return figures | {
        "violations": len(check(made.snapshot, plan)),
        "status": plan.status,
        "gap": round(plan.gap, 5),
        "solve_ms": plan.solve_ms,
    }
