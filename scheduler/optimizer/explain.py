"""Why each placement was chosen and each other one was not, what a constraint costs, and which rules conflict.

Numbers told to people come from re-solves: a rejected offer is forced in and the difference is what it would cost more; a
limit is raised by one unit and the difference is what it is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scheduler.domain.offer import CapacityType
from scheduler.domain.plan import Binding, Reason, Verdict
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.units import MICRO, usd_text
from scheduler.optimizer.endpoints import NOT_ROUTED
from scheduler.optimizer.objective import minimise_cost
from scheduler.optimizer.problem import Option, Pool, build
from scheduler.optimizer.reduce import reduce
from scheduler.optimizer.rules import rejected
from scheduler.optimizer.search import Solution, SolveSettings, formulate, run, solve_problem


def reasons(solution: Solution, settings: SolveSettings) -> tuple[Reason, ...]:
    """One reason per (deployment, pool): chosen, forbidden by a rule, without stock, or dearer by so much."""
    found = list(solution.problem.rejected)
    for deployment in solution.problem.snapshot.deployments:
        options = solution.problem.options_of[deployment.id]
        best: dict[str, Option] = {}
        for option in sorted(options, key=lambda o: (-solution.replicas.get(o.key, 0), _unit_price(o), o.key)):
            best.setdefault(option.pool.id, option)
        chosen = [option for option in best.values() if solution.replicas.get(option.key)]
        others = sorted((o for o in best.values() if not solution.replicas.get(o.key)), key=lambda o: (_unit_price(o), o.key))
        found += [_chosen(solution, option) for option in chosen]
        for rank, option in enumerate(others):
            found.append(_not_chosen(solution, settings, option, chosen, exact=rank < settings.exact_reasons))
    return tuple(found)


def _unit_price(option: Option) -> float:
    """Micro-USD per million output tokens at full load."""
    rates = [rate for rate in option.shape.tokens_per_s.values() if rate > 0]
    return option.cost_share / (max(rates) * 3600) * MICRO if rates else float("inf")


def _chosen(solution: Solution, option: Option) -> Reason:
    count, pool = solution.replicas[option.key], option.pool
    kept = min(count, option.running)
    text = (
        f"{count} × {option.shape.accelerators_per_node} {option.shape.accelerator} at {usd_text(pool.list_price, 3)}/h a node: "
        f"{usd_text(round(_unit_price(option)), 3)} per million tokens at full load ({option.shape.evidence.value} throughput)"
    )
    if kept:
        text += f"; {kept} already run there and need not move"
    if pool.offer.capacity_type is CapacityType.ENDPOINT:
        text += f"; {NOT_ROUTED}"
    return Reason(option.deployment.id, pool.offer.id, pool.cluster.id, Verdict.CHOSEN, "cost", text)


def _not_chosen(solution: Solution, settings: SolveSettings, option: Option, chosen: list[Option], *, exact: bool) -> Reason:
    pool, deployment = option.pool, option.deployment
    if option.most == 0 or pool.max_nodes == 0:
        rule, text, change = _closed(pool)
        return rejected(deployment, pool.offer, pool.cluster, rule, text, change)
    if exact and solution.feasible:
        reason = _forced(solution, settings, option)
        if reason is not None:
            return reason
    mine, theirs = _unit_price(option), min((_unit_price(o) for o in chosen), default=0.0)
    text = f"{usd_text(round(mine), 3)} per million tokens at full load against {usd_text(round(theirs), 3)} where it is placed"
    limit = pool.list_price * theirs / mine if mine and mine != float("inf") else 0
    change = f"a node price below about {usd_text(round(limit), 3)}/h (estimate by unit price)"
    return rejected(deployment, pool.offer, pool.cluster, "cost", text, change)


def _closed(pool: Pool) -> tuple[str, str, str]:
    if pool.cap is not None and pool.cap.nodes == 0 and pool.existing == 0:
        when = f"until {pool.cap.until:%H:%M:%S} UTC" if pool.cap.until else "until the provider reports stock"
        return "availability", f"no node can launch {when}: {pool.cap.reason}", "one node in stock"
    wanted, state = pool.cluster.schedulability.value, pool.cluster.state.value
    return (
        "cluster",
        f"cluster {pool.cluster.id} is {wanted} and {state}: nothing new is placed there",
        f"headrace uncordon {pool.cluster.id}",
    )


def _forced(solution: Solution, settings: SolveSettings, option: Option) -> Reason | None:
    """Force one replica here and tell the difference; None where the solver gave no answer."""
    f = formulate(solution.problem)
    f.model.add_linear_constraint(f.replicas[option.key] >= 1)
    minimise_cost(f)
    result = run(f, settings)
    pool, deployment = option.pool, option.deployment
    if result is None:
        return None
    if not result.has_primal_feasible_solution():
        text = "one replica here breaks a limit or a rule (quota, stock, spread, spot ceiling or budget) together with the rest"
        return rejected(deployment, pool.offer, pool.cluster, "limits", text, "see the binding constraints of this plan")
    more = round((result.objective_value() - solution.objective_usd_per_h) * MICRO)
    if more <= 0:
        text = "costs the same as where it is placed; a tie"
        return rejected(deployment, pool.offer, pool.cluster, "tie", text, "any lower price")
    limit = _price_that_would_win(
        pool, more, round(sum(result.variable_values(v) for (name, _), v in f.cuts.items() if name == pool.id)), option
    )
    text = f"one replica here makes the fleet {usd_text(more, 4)}/h dearer"
    change = f"a node price of at most {usd_text(limit, 4)}/h instead of {usd_text(pool.list_price, 4)}/h"
    return rejected(deployment, pool.offer, pool.cluster, "cost", text, change)


def _price_that_would_win(pool: Pool, more: int, nodes: int, option: Option) -> int:
    """Node price at which the extra cost vanishes: node time, interruption loss and start-up all scale with the price."""
    if pool.list_price == 0:
        return 0
    slope = (pool.price * max(1, nodes) + option.start_cost) / pool.list_price
    return max(0, round(pool.list_price - more / slope))


def bindings(solution: Solution, settings: SolveSettings) -> tuple[Binding, ...]:
    """Limits that are reached, and what one unit more of each saves per hour, from a re-solve."""
    if not solution.feasible:
        return ()
    found = []
    for name, text, wider in list(_one_more(solution))[: settings.max_bindings]:
        again = solve_problem(reduce(build(wider, solution.problem.relaxed)), settings)
        saving = round((solution.objective_usd_per_h - again.objective_usd_per_h) * MICRO)
        if again.feasible and saving > 0:
            found.append(Binding(name, f"{text} saves {usd_text(saving, 4)}/h", saving))
    return tuple(sorted(found, key=lambda binding: -binding.saving_micro_usd_per_h))


def _one_more(solution: Solution) -> Iterator[tuple[str, str, Snapshot]]:
    """Every tight limit with a snapshot in which it is one unit wider."""
    problem, snapshot = solution.problem, solution.problem.snapshot
    for quota in snapshot.quotas:
        pools = problem.quota_pools(quota)
        step = min((quota.units_of(pool.offer.instance_type) for pool in pools), default=0)
        drawn = sum(solution.nodes.get(pool.id, 0) * quota.units_of(pool.offer.instance_type) for pool in pools)
        if step and drawn + step > quota.limit - quota.used:
            wider = tuple(replace(q, limit=q.limit + step) if q.id == quota.id else q for q in snapshot.quotas)
            yield f"quota {quota.id}", f"{step} {quota.unit.value} more of quota {quota.id}", replace(snapshot, quotas=wider)
    cheapest = sorted(problem.pools, key=lambda pool: pool.price / pool.offer.instance_type.accelerator_count)
    for pool in cheapest:
        count = solution.nodes.get(pool.id, 0)
        if pool.cap is not None and count >= pool.max_nodes and problem.options_in.get(pool.id):
            caps = {**snapshot.caps, pool.offer.id: LaunchCap(pool.cap.nodes + 1, pool.cap.confidence, pool.cap.reason)}
            yield f"availability {pool.offer.id}", f"one more node in stock of {pool.offer.id}", replace(snapshot, caps=caps)
    for deployment in snapshot.deployments:
        for rule, text in _softer(deployment.rules.spot_ceiling, deployment.rules.survivability is not None):
            changed = _without(snapshot, deployment.id, rule)
            yield f"{deployment.id}: {rule}", f"{deployment.id} without {text}", changed


def _softer(spot_ceiling: float, survives: bool) -> list[tuple[str, str]]:
    found = [("spot_ceiling", f"its spot ceiling of {spot_ceiling:.0%}")] if spot_ceiling < 1 else []
    return found + ([("survivability", "its survivability rule")] if survives else [])


def _without(snapshot: Snapshot, deployment: str, rule: str) -> Snapshot:
    changed = []
    for each in snapshot.deployments:
        if each.id == deployment:
            rules = replace(each.rules, spot_ceiling=1.0) if rule == "spot_ceiling" else replace(each.rules, survivability=None)
            changed.append(replace(each, rules=rules))
        else:
            changed.append(each)
    return replace(snapshot, deployments=tuple(changed))
