"""From a snapshot to a ``Target``: search, then integers and names, then reasons."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from scheduler.domain.plan import Placement, PoolTarget, Route, Target, Unmet
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.units import MICRO
from scheduler.optimizer.explain import bindings, reasons
from scheduler.optimizer.objective import cost_terms
from scheduler.optimizer.problem import build, demand_classes
from scheduler.optimizer.reduce import reduce
from scheduler.optimizer.search import Solution, SolveSettings, solve_problem

if TYPE_CHECKING:
    from scheduler.optimizer.decompose.solve import Decomposed


def solve(snapshot: Snapshot, settings: SolveSettings | None = None) -> Target:
    """The cheapest placement under the snapshot's rules.

    Demand that cannot be served appears in ``Target.unmet``, lowest priority first to be given up; it never disappears.
    """
    settings = settings or SolveSettings()
    if len(snapshot.deployments) * len(snapshot.offers) > settings.whole_max:
        return solve_large(snapshot, settings)[0]
    started = perf_counter()
    problem = reduce(build(snapshot))
    solution = solve_problem(problem, settings)
    found_ms = round((perf_counter() - started) * 1000)
    target = to_target(solution, found_ms)
    if not settings.explain:
        return target
    return replace(target, reasons=reasons(solution, settings), bindings=bindings(solution, settings))


def solve_large(snapshot: Snapshot, settings: SolveSettings) -> tuple[Target, Decomposed]:
    """By decomposition, whatever the size; also what the next decision, or a certificate of the bound, is made from."""
    # Compiled code is loaded only where a fleet needs it.
    from scheduler.optimizer.decompose.solve import decompose

    started = perf_counter()
    solved = decompose(snapshot, settings)
    return _told(solved, settings, started), solved


def solve_next(snapshot: Snapshot, settings: SolveSettings | None, last: Decomposed | None) -> tuple[Target, Decomposed | None]:
    """The decision after ``last``: a large fleet keeps its place but for what a change touches, unless that would cost too much.

    What is returned beside the target is the next call's ``last``; None where the fleet is small and nothing is worth keeping.
    """
    settings = settings or SolveSettings()
    if len(snapshot.deployments) * len(snapshot.offers) <= settings.whole_max:
        return solve(snapshot, settings), None
    if last is not None:
        from scheduler.optimizer.decompose.again import again

        started = perf_counter()
        solved = again(last, snapshot)
        if solved.complete and solved.assembly.holds() and solved.gap <= max(DRIFT_GAP_MIN, last.gap + DRIFT_MAX):
            return _told(solved, settings, started), solved
    return solve_large(snapshot, settings)


DRIFT_GAP_MIN, DRIFT_MAX = 0.02, 0.01
"""A decision made from the last one may be so much further from its bound before the whole is solved anew."""


def _told(solved: Decomposed, settings: SolveSettings, started: float) -> Target:
    from scheduler.optimizer.decompose.explain import bindings_of, reasons_of
    from scheduler.optimizer.decompose.solve import as_solution

    target = to_target(as_solution(solved), round((perf_counter() - started) * 1000))
    if settings.explain:
        target = replace(target, reasons=reasons_of(solved, target, settings), bindings=bindings_of(solved, settings))
    return target


def to_target(solution: Solution, solve_ms: int) -> Target:
    """Integers and names instead of columns."""
    problem = solution.problem
    terms = cost_terms(problem, solution.replicas, solution.nodes)
    objective = sum(term.micro_usd_per_h for term in terms)
    # The bound may exceed the recomputed cost only by rounding and by best-effort penalties, which are no cost.
    bound = min(objective, max(0, round(solution.bound_usd_per_h * MICRO)))
    options = {option.key: option for option in problem.options}
    placements = tuple(
        Placement(option.deployment.id, option.shape.id, option.pool.id, option.pool.cluster.id, option.pool.offer.id, count)
        for key, count in sorted(solution.replicas.items())
        for option in (options[key],)
    )
    pools = tuple(
        PoolTarget(pool.id, pool.cluster.id, pool.offer.id, solution.nodes.get(pool.id, 0), pool.existing, pool.list_price)
        for pool in problem.pools
        if solution.nodes.get(pool.id, 0) or pool.existing
    )
    return Target(
        placements=placements,
        pools=pools,
        routes=_routes(solution),
        unmet=_unmet(solution),
        terms=terms,
        objective_micro_usd_per_h=objective,
        bound_micro_usd_per_h=bound,
        gap=0.0 if objective == 0 else (objective - bound) / objective,
        status=solution.status,
        solve_ms=solve_ms,
    )


def _routes(solution: Solution) -> tuple[Route, ...]:
    """Split every class's traffic over its origins in proportion to their demand; headroom is not traffic."""
    classes = {d.id: demand_classes(d, solution.problem.snapshot) for d in solution.problem.snapshot.deployments}
    headroom = {d.id: d.headroom for d in solution.problem.snapshot.deployments}
    routes = []
    for (deployment, index, (_, pool, shape)), rate in sorted(solution.routed.items()):
        demand = classes[deployment][index]
        for origin in demand.demands:
            share = rate / (1 + headroom[deployment]) * origin.tokens_per_s / demand.tokens_per_s
            routes.append(Route(deployment, origin.origin, demand.bucket, pool, shape, share))
    return tuple(routes)


def _unmet(solution: Solution) -> tuple[Unmet, ...]:
    """Missed wishes by deployment, priced at what serving that much would cost on the dearest allowed option."""
    found = []
    by_id = {d.id: d for d in solution.problem.snapshot.deployments}
    for (name, what), amount in sorted(solution.missed.items()):
        deployment = by_id[name]
        kind, _, index = what.rpartition(" ")
        bucket, origin = "", what
        if kind == "demand":
            demand = demand_classes(deployment, solution.problem.snapshot)[int(index)]
            bucket, origin = demand.bucket, ", ".join(d.origin for d in demand.demands)
        rates = [(o.cost_share, o.shape.rate(bucket or "all")) for o in solution.problem.options_of[name]]
        dearest = max((cost / rate for cost, rate in rates if rate > 0), default=0.0)
        penalty = amount * dearest * deployment.priority / 100
        if name in solution.give_up_usd_per_h and deployment.tokens_per_s > 0:
            penalty = solution.give_up_usd_per_h[name] * MICRO * amount / (deployment.tokens_per_s * (1 + deployment.headroom))
        found.append(Unmet(name, origin, bucket, amount, round(penalty)))
    return tuple(found)
