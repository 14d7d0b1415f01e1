"""What is paid for, one function per term, in USD per hour. The same terms are recomputed in integers for the answer."""

from __future__ import annotations

from ortools.math_opt.python import mathopt

from scheduler.domain.plan import CostTerm
from scheduler.domain.units import MICRO, usd_text
from scheduler.optimizer.formulation import Formulation
from scheduler.optimizer.problem import Problem


def node_cost(f: Formulation) -> mathopt.LinearSum:
    """Nodes at their effective price."""
    price = {pool.id: pool.price / MICRO for pool in f.problem.pools}
    return mathopt.fast_sum([variable * price[pool] for (pool, _), variable in f.cuts.items()])


def start_cost(f: Formulation) -> mathopt.LinearSum:
    """Start-up of what does not run yet: paid node time, and weights moved; amortised."""
    return mathopt.fast_sum([f.starts[option.key] * (option.start_cost / MICRO) for option in f.problem.options])


def minimise_cost(f: Formulation) -> None:
    """The objective in ordinary times; best-effort demand is then given up only where it cannot be had."""
    f.model.minimize(node_cost(f) + start_cost(f) + _best_effort_penalty(f))


def _best_effort_penalty(f: Formulation) -> mathopt.LinearSum:
    """A price on missed best-effort wishes above anything that serving them could cost."""
    most = 1 + sum(option.cost_share / MICRO * max(1, option.deployment.min_replicas) for option in f.problem.options)
    flexible = {deployment.id for deployment in f.problem.snapshot.deployments if deployment.best_effort}
    terms = [
        variable * (most / f.shortage_unit[key] * 10)
        for key, variable in f.shortage.items()
        if key[0] in flexible and variable.upper_bound > 0
    ]
    return mathopt.fast_sum(terms)


def minimise_shortage(f: Formulation, deployments: set[str]) -> mathopt.LinearSum:
    """Missed shares of these deployments; the sum is minimised and returned, so that it can be held in later phases."""
    total = mathopt.fast_sum([v * (1 / f.shortage_unit[key]) for key, v in f.shortage.items() if key[0] in deployments])
    f.model.minimize(total)
    return total


def cost_terms(problem: Problem, replicas: dict[tuple[str, str, str], int], nodes: dict[str, int]) -> tuple[CostTerm, ...]:
    """The objective's lines in integer micro-USD per hour, with their explanation."""
    listed = sum(pool.list_price * nodes.get(pool.id, 0) for pool in problem.pools)
    loss = sum((pool.price - pool.list_price) * nodes.get(pool.id, 0) for pool in problem.pools)
    starts = sum(option.start_cost * max(0, replicas.get(option.key, 0) - option.running) for option in problem.options)
    started = sum(max(0, replicas.get(option.key, 0) - option.running) for option in problem.options)
    count, hours = sum(nodes.values()), problem.snapshot.amortisation_h
    return (
        CostTerm("nodes", listed, f"{count} nodes at {usd_text(listed, 4)}/h"),
        CostTerm("interruption loss", loss, f"expected paid time of interrupted spot nodes: {usd_text(loss, 4)}/h"),
        CostTerm("moves", starts, f"{started} replicas to start, spread over {hours:g} h: {usd_text(starts, 4)}/h"),
    )
