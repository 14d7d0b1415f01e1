"""Cheapest first, one deployment after the other by priority: the hint, the peer to beat, and the fallback.

It respects every limit (caps, quotas, budgets, ceilings, spread, residency) and meets survivability by checking each loss
scenario after the demand; what it cannot meet is reported as missed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from scheduler.optimizer.problem import Option, Problem, demand_classes, loss_scenarios

Key = tuple[str, str, str]
Greedy = tuple[dict[Key, int], dict[str, int], dict[tuple[str, int, Key], float], dict[tuple[str, str], float]]


@dataclass
class _State:
    problem: Problem
    replicas: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    free: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    nodes: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def place(self, option: Option) -> bool:
        """Put one replica on the first node it fits, adding nodes as the limits allow."""
        need, pool = option.shape.accelerators_per_node, option.pool
        if self.replicas[option.key] >= option.most or not self._rules_allow(option):
            return False
        chosen = [index for index, left in enumerate(self.free[pool.id]) if left >= need][: option.shape.nodes]
        missing = option.shape.nodes - len(chosen)
        if missing and not self._may_add(option, missing):
            return False
        for _ in range(missing):
            self.free[pool.id].append(pool.offer.instance_type.accelerator_count)
            self.nodes[pool.id] += 1
            chosen.append(len(self.free[pool.id]) - 1)
        for index in chosen:
            self.free[pool.id][index] -= need
        self.replicas[option.key] += 1
        return True

    def _may_add(self, option: Option, count: int) -> bool:
        pool, snapshot = option.pool, self.problem.snapshot
        if self.nodes[pool.id] + count > pool.max_nodes:
            return False
        same = [p for p in self.problem.pools if p.offer.id == pool.offer.id]
        if pool.cap is not None and sum(self.nodes[p.id] for p in same) + count > sum(p.existing for p in same) + pool.cap.nodes:
            return False
        for reservation in snapshot.reservations:
            if reservation.id == pool.reservation:
                held = sum(self.nodes[p.id] for p in self.problem.pools if p.reservation == pool.reservation)
                if held + count > reservation.count:
                    return False
        for quota in snapshot.quotas:
            pools = self.problem.quota_pools(quota)
            if pool in pools:
                drawn = sum(self.nodes[p.id] * quota.units_of(p.offer.instance_type) for p in pools)
                if drawn + count * quota.units_of(pool.offer.instance_type) > quota.limit - quota.used:
                    return False
        return True

    def _rules_allow(self, option: Option) -> bool:
        deployment = option.deployment
        mine = [(o, self.replicas[o.key]) for o in self.problem.options_of[deployment.id]]
        total = sum(count for _, count in mine) + 1
        if total > deployment.max_replicas:
            return False
        budget = deployment.budget_micro_usd_per_h
        spent = sum(o.pool.list_price * o.node_share * count for o, count in mine)
        if budget is not None and spent + option.pool.list_price * option.node_share > budget:
            return False
        if option.pool.offer.capacity_type.revocable:
            spot = sum(count for o, count in mine if o.pool.offer.capacity_type.revocable) + 1
            # Spread and the spot ceiling are shares: judge them against the count this deployment will have at least.
            return spot <= deployment.rules.spot_ceiling * max(total, deployment.min_replicas)
        return True


def greedy(problem: Problem) -> Greedy:
    """Place every deployment on its cheapest options per token, then more until every loss is survived."""
    state = _State(problem)
    for deployment in sorted(problem.snapshot.deployments, key=lambda d: (-d.priority, d.id)):
        options = sorted(problem.options_of[deployment.id], key=lambda o: (o.running == 0, _unit_cost(o), o.key))
        for _ in range(deployment.min_replicas):
            if not any(state.place(option) for option in options):
                break
        for demand in demand_classes(deployment, problem.snapshot):
            usable = [o for o in options if demand.allows(o.pool) and o.shape.rate(demand.bucket) > 0]
            wanted = demand.tokens_per_s * (1 + deployment.headroom)
            while sum(state.replicas[o.key] * o.shape.rate(demand.bucket) for o in usable) < wanted:
                if not any(state.place(option) for option in usable):
                    break
        for scenario in loss_scenarios(deployment, [o.pool for o in options]):
            left = [o for o in options if o.pool.id not in scenario.lost]
            wanted = scenario.share * deployment.tokens_per_s
            while sum(state.replicas[o.key] * o.shape.rate("all") for o in left) < wanted:
                if not any(state.place(option) for option in left):
                    break
    return _answer(state)


def _unit_cost(option: Option) -> float:
    rates = list(option.shape.tokens_per_s.values())
    return option.cost_share / max(rates) if rates and max(rates) > 0 else float("inf")


def _answer(state: _State) -> Greedy:
    """Route each class over what was placed; what is left over is missed."""
    routed: dict[tuple[str, int, Key], float] = {}
    missed: dict[tuple[str, str], float] = {}
    left = {key: float(count) for key, count in state.replicas.items()}
    for deployment in state.problem.snapshot.deployments:
        for index, demand in enumerate(demand_classes(deployment, state.problem.snapshot)):
            wanted = demand.tokens_per_s * (1 + deployment.headroom)
            for option in state.problem.options_of[deployment.id]:
                rate = option.shape.rate(demand.bucket)
                if wanted <= 0 or rate <= 0 or not demand.allows(option.pool) or not left.get(option.key):
                    continue
                served = min(wanted, left[option.key] * rate)
                routed[deployment.id, index, option.key] = served
                left[option.key] -= served / rate
                wanted -= served
            if wanted > 1e-6:
                missed[deployment.id, f"demand {index}"] = wanted
    replicas = {key: count for key, count in state.replicas.items() if count}
    return replicas, {pool: count for pool, count in state.nodes.items() if count}, routed, missed
