"""Cheapest first, one deployment after the other by priority: the hint, the peer to beat, and the fallback.

It respects every limit (caps, quotas, reservations, budgets, spot ceilings, residency) and looks at each loss scenario after the
demand, by capacity alone; demand that it cannot serve is reported as missed, spread is left to chance. Nothing that was placed is
taken back, so an option that was refused for want of room is not asked for again, and a large fleet takes seconds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from scheduler.domain.workload import Deployment
from scheduler.optimizer.problem import Option, Pool, Problem, demand_classes, loss_scenarios

Key = tuple[str, str, str]
Greedy = tuple[dict[Key, int], dict[str, int], dict[tuple[str, int, Key], float], dict[tuple[str, str], float]]


@dataclass
class _Limit:
    """What nodes draw on: a pool's own, an offer's stock, a reservation or a quota, in its unit."""

    most: int
    drawn: int = 0


Draws = dict[str, list[tuple[_Limit, int]]]
"""By pool id: every limit on it, and what one node draws."""


@dataclass
class _Ground:
    """Nodes taken so far.

    Attributes:
        free: by pool, accelerators left on each node that has any, in the order in which the nodes came. nodes: by pool.
    """

    limits: Draws
    free: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    nodes: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, option: Option) -> bool:
        """Put one replica on the first nodes it fits, adding nodes as the limits allow."""
        need, pool = option.shape.accelerators_per_node, option.pool
        free, limits = self.free[pool.id], self.limits[pool.id]
        chosen = list(islice((index for index, left in enumerate(free) if left >= need), option.shape.nodes))
        missing = option.shape.nodes - len(chosen)
        if missing and any(limit.drawn + missing * units > limit.most for limit, units in limits):
            return False
        for limit, units in limits:
            limit.drawn += missing * units
        self.nodes[pool.id] += missing
        chosen += range(len(free), len(free) + missing)
        free += [pool.offer.instance_type.accelerator_count] * missing
        for index in chosen:
            free[index] -= need
        # Full nodes are forgotten: most are full, and they would be passed over every time.
        for index in reversed(chosen):
            if not free[index]:
                del free[index]
        return True


def _limits(problem: Problem) -> Draws:
    found: Draws = {pool.id: [(_Limit(pool.max_nodes), 1)] for pool in problem.pools}
    offers: dict[str, list[Pool]] = defaultdict(list)
    held: dict[str, list[Pool]] = defaultdict(list)
    for pool in problem.pools:
        offers[pool.offer.id].append(pool)
        held[pool.reservation].append(pool)
    for pools in offers.values():
        cap = next((pool.cap for pool in pools if pool.cap is not None), None)
        if cap is not None:
            _draw(found, _Limit(sum(pool.existing for pool in pools) + cap.nodes), [(pool, 1) for pool in pools])
    for reservation in problem.snapshot.reservations:
        _draw(found, _Limit(reservation.count), [(pool, 1) for pool in held.get(reservation.id, [])])
    for quota in problem.snapshot.quotas:
        drawing = [(pool, quota.units_of(pool.offer.instance_type)) for pool in problem.quota_pools(quota)]
        _draw(found, _Limit(quota.limit - quota.used), drawing)
    return found


def _draw(found: Draws, limit: _Limit, pools: Iterable[tuple[Pool, int]]) -> None:
    for pool, units in pools:
        found[pool.id].append((limit, units))


@dataclass
class _Turn:
    """One deployment's turn.

    Attributes:
        options: cheapest first. counts: replicas by index of the option. closed: options that never get a replica more.
    """

    ground: _Ground
    deployment: Deployment
    options: list[Option]
    counts: dict[int, int] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    total: int = 0
    spot: int = 0

    def place(self, indices: Iterable[int]) -> bool:
        """Put one replica on the first of these options that can have it."""
        return any(index not in self.closed and self._place(index) for index in indices)

    def fill(self, rates: Mapping[int, float], wanted: float) -> None:
        """Place until these options, with tokens/s of one replica by index, serve so many tokens/s, or none can have more."""
        while sum(count * rates[index] for index, count in sorted(self.counts.items()) if index in rates) < wanted:
            if not self.place(rates):
                break

    def _place(self, index: int) -> bool:
        option = self.options[index]
        revocable = option.pool.offer.capacity_type.revocable
        # Spread and the spot ceiling are shares: judge them against the count this deployment will have at least.
        count = max(self.total + 1, self.deployment.min_replicas)
        if revocable and self.spot + 1 > self.deployment.rules.spot_ceiling * count:
            return False
        if not self._affords(option) or self.counts.get(index, 0) >= option.most or not self.ground.take(option):
            self.closed.add(index)
            return False
        self.counts[index] = self.counts.get(index, 0) + 1
        self.total += 1
        self.spot += revocable
        return True

    def _affords(self, option: Option) -> bool:
        if self.total >= self.deployment.max_replicas:
            return False
        budget = self.deployment.budget_micro_usd_per_h
        if budget is None:
            return True
        spent = sum(_spent(self.options[index]) * count for index, count in self.counts.items())
        return spent + _spent(option) <= budget


def _spent(option: Option) -> float:
    """Of the budget by one replica, micro-USD per hour."""
    return option.pool.list_price * option.node_share


def greedy(problem: Problem) -> Greedy:
    """Place every deployment on its cheapest options per token, then more until every loss is survived."""
    ground = _Ground(_limits(problem))
    replicas: dict[Key, int] = {}
    for deployment in sorted(problem.snapshot.deployments, key=lambda d: (-d.priority, d.id)):
        options = sorted(problem.options_of[deployment.id], key=lambda o: (o.running == 0, _unit_cost(o), o.key))
        turn = _Turn(ground, deployment, options)
        for _ in range(deployment.min_replicas):
            if not turn.place(range(len(options))):
                break
        for demand in demand_classes(deployment, problem.snapshot):
            rates = {index: option.shape.rate(demand.bucket) for index, option in enumerate(options) if demand.allows(option.pool)}
            turn.fill({index: rate for index, rate in rates.items() if rate > 0}, demand.tokens_per_s * (1 + deployment.headroom))
        for scenario in loss_scenarios(deployment, [option.pool for option in options]):
            left = {index: option.shape.rate("all") for index, option in enumerate(options) if option.pool.id not in scenario.lost}
            turn.fill(left, scenario.share * deployment.tokens_per_s)
        replicas |= {options[index].key: count for index, count in turn.counts.items()}
    routed, missed = _routes(problem, replicas)
    return replicas, {pool: count for pool, count in ground.nodes.items() if count}, routed, missed


def _unit_cost(option: Option) -> float:
    rates = list(option.shape.tokens_per_s.values())
    return option.cost_share / max(rates) if rates and max(rates) > 0 else float("inf")


def _routes(problem: Problem, replicas: Mapping[Key, int]) -> tuple[dict[tuple[str, int, Key], float], dict[tuple[str, str], float]]:
    """Route each class over what was placed; what is left over is missed."""
    routed: dict[tuple[str, int, Key], float] = {}
    missed: dict[tuple[str, str], float] = {}
    left = {key: float(count) for key, count in replicas.items()}
    for deployment in problem.snapshot.deployments:
        placed = [option for option in problem.options_of[deployment.id] if option.key in left]
        for index, demand in enumerate(demand_classes(deployment, problem.snapshot)):
            wanted = demand.tokens_per_s * (1 + deployment.headroom)
            for option in placed:
                rate = option.shape.rate(demand.bucket)
                if wanted <= 0 or rate <= 0 or not demand.allows(option.pool) or not left[option.key]:
                    continue
                served = min(wanted, left[option.key] * rate)
                routed[deployment.id, index, option.key] = served
                left[option.key] -= served / rate
                wanted -= served
            if wanted > 1e-6:
                missed[deployment.id, f"demand {index}"] = wanted
    return routed, missed
