"""What must hold, one function per constraint, in the order people read the rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from ortools.math_opt.python import mathopt

from scheduler.domain.workload import Deployment, FailureDomain
from scheduler.optimizer.formulation import Formulation
from scheduler.optimizer.problem import DemandClass, LossScenario, Option, Pool, loss_scenarios

Constraint = Callable[[Formulation], None]


def demand_is_served(f: Formulation) -> None:
    """Served traffic plus what is missed covers demand with headroom, class by class, within its residency.

    sum(routed[class, option]) + missed[class] >= tokens_per_s[class] * (1 + headroom)

    Where a deployment has a single class, all capacity it may use serves that class, and routed traffic is rate * replicas.
    """
    for deployment in f.problem.snapshot.deployments:
        classes = f.classes[deployment.id]
        for index, demand in enumerate(classes):
            wanted = demand.tokens_per_s * (1 + deployment.headroom)
            if wanted <= 0:
                continue
            missed = f.missed(deployment, f"demand {index}", wanted)
            if len(classes) == 1:
                served = capacity(f, demand, f.problem.options_of[deployment.id])
            else:
                served = _routed(f, deployment, index, wanted)
            f.model.add_linear_constraint(served + missed >= wanted)


def capacity(f: Formulation, demand: DemandClass, options: list[Option]) -> mathopt.LinearSum:
    """Tokens per second that the replicas of these options could serve of one class alone."""
    return mathopt.fast_sum([f.replicas[o.key] * o.shape.rate(demand.bucket) for o in options if demand.allows(o.pool)])


def _routed(f: Formulation, deployment: Deployment, index: int, wanted: float) -> mathopt.LinearSum:
    demand, served = f.classes[deployment.id][index], []
    for option in f.problem.options_of[deployment.id]:
        if demand.allows(option.pool) and option.shape.rate(demand.bucket) > 0:
            key = (deployment.id, index, option.key)
            f.routed[key] = f.model.add_variable(lb=0, ub=wanted, name=f"route|{index}|{'|'.join(option.key)}")
            served.append(f.routed[key])
    return mathopt.fast_sum(served)


def throughput_is_not_exceeded(f: Formulation) -> None:
    """sum over classes(routed / rate[shape, bucket]) <= replicas"""
    loads: dict[tuple[str, str, str], list[mathopt.LinearTerm]] = defaultdict(list)
    shapes = {option.key: option.shape for option in f.problem.options}
    for (deployment, index, key), variable in f.routed.items():
        rate = shapes[key].rate(f.classes[deployment][index].bucket)
        loads[key].append(variable * (1 / rate))
    for key, terms in loads.items():
        f.model.add_linear_constraint(mathopt.fast_sum(terms) <= f.replicas[key])


def replica_counts_are_within_bounds(f: Formulation) -> None:
    """min_replicas <= replicas (+ missed) and replicas <= max_replicas"""
    for deployment in f.problem.snapshot.deployments:
        total = f.replicas_of(deployment.id)
        missed = f.missed(deployment, "min_replicas", max(1, deployment.min_replicas))
        f.model.add_linear_constraint(total + missed >= deployment.min_replicas)
        if f.problem.holds(deployment.id, "max_replicas"):
            f.model.add_linear_constraint(total <= deployment.max_replicas)


def replicas_fit_their_nodes(f: Formulation) -> None:
    """Per pool and replica size: replicas (whole nodes, for a gang) <= slots of that size in the cut nodes."""
    slots: dict[tuple[str, int], list[mathopt.LinearTerm]] = defaultdict(list)
    for (name, pattern), variable in f.cuts.items():
        for size, count in pattern:
            slots[name, size].append(variable * count)
    for pool in f.problem.pools:
        by_size: dict[int, list[mathopt.LinearTerm]] = defaultdict(list)
        for option in f.problem.options_in.get(pool.id, []):
            by_size[option.shape.accelerators_per_node].append(f.replicas[option.key] * option.shape.nodes)
        for size, replicas in by_size.items():
            f.model.add_linear_constraint(mathopt.fast_sum(replicas) <= mathopt.fast_sum(slots[pool.id, size]))


def availability_caps_hold(f: Formulation) -> None:
    """Per offer, over all clusters: nodes <= existing + what could launch now. Per pool: nodes <= its own most."""
    by_offer: dict[str, list[Pool]] = defaultdict(list)
    for pool in f.problem.pools:
        f.model.add_linear_constraint(f.nodes(pool) <= pool.max_nodes)
        if not pool.reservation:
            by_offer[pool.offer.id].append(pool)
    for pools in by_offer.values():
        if len(pools) > 1 and pools[0].cap is not None:
            most = sum(pool.existing for pool in pools) + pools[0].cap.nodes
            f.model.add_linear_constraint(mathopt.fast_sum([f.nodes(pool) for pool in pools]) <= most)


def quotas_hold(f: Formulation) -> None:
    """Per quota, in its own unit: sum(nodes * units) <= limit - what others use."""
    for quota in f.problem.snapshot.quotas:
        if not f.problem.holds("", f"quota {quota.id}"):
            continue
        drawn = [f.nodes(pool) * quota.units_of(pool.offer.instance_type) for pool in f.problem.quota_pools(quota)]
        if drawn:
            f.model.add_linear_constraint(mathopt.fast_sum(drawn) <= max(0, quota.limit - quota.used))


def reservations_hold(f: Formulation) -> None:
    """Over all clusters, no more nodes of a reservation than it holds."""
    for reservation in f.problem.snapshot.reservations:
        pools = [pool for pool in f.problem.pools if pool.reservation == reservation.id]
        if len(pools) > 1:
            f.model.add_linear_constraint(mathopt.fast_sum([f.nodes(pool) for pool in pools]) <= reservation.count)


def losses_are_survived(f: Formulation) -> None:
    """For every single loss, every demand class's stated share is routable over what is left *and allowed*.

    sum(survivors[class, option]) + missed >= share * tokens_per_s[class]; sum over classes(survivors / rate) <= replicas
    """
    for deployment in f.problem.snapshot.deployments:
        options = f.problem.options_of[deployment.id]
        pools = list({option.pool.id: option.pool for option in options}.values())
        for scenario in loss_scenarios(deployment, pools):
            if f.problem.holds(deployment.id, scenario.rule):
                _survive(f, deployment, scenario, options)


def _survive(f: Formulation, deployment: Deployment, scenario: LossScenario, options: list[Option]) -> None:
    """What starts in lost pools is lost, and what runs there too unless the scenario spares it."""
    left = [o for o in options if o.pool.id not in scenario.lost or (scenario.running and o.running > 0)]
    starting = [o for o in left if o.pool.id in scenario.lost]
    loads: dict[tuple[str, str, str], list[mathopt.LinearTerm]] = defaultdict(list)
    classes = f.classes[deployment.id]
    for index, demand in enumerate(classes):
        wanted = scenario.share * demand.tokens_per_s
        if wanted <= 0:
            continue
        missed = f.missed(deployment, f"{scenario.name} {index}", wanted)
        if len(classes) == 1:
            gone = [f.starts[o.key] * o.shape.rate(demand.bucket) for o in starting if demand.allows(o.pool)]
            f.model.add_linear_constraint(capacity(f, demand, left) - mathopt.fast_sum(gone) + missed >= wanted)
            continue
        served = []
        for option in left:
            rate = option.shape.rate(demand.bucket)
            if demand.allows(option.pool) and rate > 0:
                variable = f.model.add_variable(lb=0, ub=wanted, name=f"survive|{scenario.name}|{index}|{'|'.join(option.key)}")
                served.append(variable)
                loads[option.key].append(variable * (1 / rate))
        f.model.add_linear_constraint(mathopt.fast_sum(served) + missed >= wanted)
    lost = {o.key for o in starting}
    for key, terms in loads.items():
        there = f.replicas[key] - f.starts[key] if key in lost else f.replicas[key] * 1.0
        f.model.add_linear_constraint(mathopt.fast_sum(terms) <= there)


def spot_stays_under_its_ceiling(f: Formulation) -> None:
    """replicas on spot <= spot_ceiling * replicas"""
    for deployment in f.problem.snapshot.deployments:
        ceiling = deployment.rules.spot_ceiling
        spot = [o for o in f.problem.options_of[deployment.id] if o.pool.offer.capacity_type.revocable]
        if ceiling < 1 and spot and f.problem.holds(deployment.id, "spot_ceiling"):
            f.model.add_linear_constraint(f.count(spot) <= ceiling * f.replicas_of(deployment.id))


def replicas_are_spread(f: Formulation) -> None:
    """Per failure domain: replicas in it <= max_share * replicas"""
    for deployment in f.problem.snapshot.deployments:
        spread = deployment.rules.spread
        if spread is None or not f.problem.holds(deployment.id, "spread"):
            continue
        for options in by_domain(f.problem.options_of[deployment.id], spread.domain).values():
            f.model.add_linear_constraint(f.count(options) <= spread.max_share * f.replicas_of(deployment.id))


def by_domain(options: list[Option], kind: FailureDomain) -> dict[str, list[Option]]:
    """Options grouped by the failure domain of their pool."""
    groups: dict[str, list[Option]] = defaultdict(list)
    for option in options:
        groups[option.pool.domain(kind)].append(option)
    return groups


def pins_are_kept(f: Formulation) -> None:
    """replicas in a pinned cluster + missed >= 1"""
    for deployment in f.problem.snapshot.deployments:
        for cluster in deployment.rules.pins:
            if not f.problem.holds(deployment.id, "pins"):
                continue
            options = [o for o in f.problem.options_of[deployment.id] if o.pool.cluster.id == cluster]
            f.model.add_linear_constraint(f.count(options) + f.missed(deployment, f"pin {cluster}", 1.0) >= 1)


def budgets_are_kept(f: Formulation) -> None:
    """sum(replicas * price of the node share) <= budget; in USD per hour"""
    for deployment in f.problem.snapshot.deployments:
        budget = deployment.budget_micro_usd_per_h
        if budget is None or not f.problem.holds(deployment.id, "budget"):
            continue
        spent = [f.replicas[o.key] * (o.pool.list_price * o.node_share / 1e6) for o in f.problem.options_of[deployment.id]]
        f.model.add_linear_constraint(mathopt.fast_sum(spent) <= budget / 1e6)


def starts_are_counted(f: Formulation) -> None:
    """starts >= replicas - running"""
    for option in f.problem.options:
        f.model.add_linear_constraint(f.starts[option.key] >= f.replicas[option.key] - option.running)


CONSTRAINTS: tuple[Constraint, ...] = (
    demand_is_served,
    throughput_is_not_exceeded,
    replica_counts_are_within_bounds,
    replicas_fit_their_nodes,
    availability_caps_hold,
    quotas_hold,
    reservations_hold,
    losses_are_survived,
    spot_stays_under_its_ceiling,
    replicas_are_spread,
    pins_are_kept,
    budgets_are_kept,
    starts_are_counted,
)
