"""Search for the best placement with MathOpt: one solve in ordinary times, a lexicographic one in scarcity.

Ordinary times are one solve: every wish met at least cost. Where that is impossible the search becomes lexicographic:
priority by priority, the highest first, the missed share is minimised and then held, and cost comes last. Nobody's demand
is given up to save money, and no invented penalty decides who is shed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ortools.math_opt.python import mathopt

from scheduler.domain.units import MICRO
from scheduler.optimizer.constraints import CONSTRAINTS
from scheduler.optimizer.formulation import Formulation
from scheduler.optimizer.greedy import greedy
from scheduler.optimizer.objective import cost_terms, minimise_cost, minimise_shortage
from scheduler.optimizer.problem import Problem

SHORTAGE_TOLERANCE = 1e-6
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class SolveSettings:
    """Limits of one solve.

    Attributes:
        node_limit: branch-and-bound nodes, the deterministic limit. relative_gap: stop when proven this close.
        time_limit_s: a safety net on top; a run that ends by it is not reproducible and says ``feasible``.
        rounds: most rounds of the search in large fleets. whole_max: deployments × pools up to which the whole is one program.
        explain: also derive reasons and shadow prices by re-solving. exact_reasons: rejected offers per deployment, cheapest
            first, whose reason is a re-solve; the others are compared by unit price. max_bindings: limits that are re-solved.
    """

    node_limit: int = 20_000
    relative_gap: float = 1e-4
    time_limit_s: float = 30.0
    seed: int = 1
    rounds: int = 400
    whole_max: int = 10_000
    explain: bool = True
    exact_reasons: int = 3
    max_bindings: int = 6


@dataclass(frozen=True, slots=True)
class Solution:
    """A solved model, before it is told to people.

    Attributes:
        bound_usd_per_h: proven lower bound on the cost.
        give_up_usd_per_h: price put on leaving a deployment wholly unserved, where the search had one.
    """

    problem: Problem
    replicas: dict[Key, int]
    nodes: dict[str, int]
    routed: dict[tuple[str, int, Key], float]
    missed: dict[tuple[str, str], float]
    objective_usd_per_h: float
    bound_usd_per_h: float
    status: str
    give_up_usd_per_h: Mapping[str, float] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        return not self.missed


def solve_problem(problem: Problem, settings: SolveSettings) -> Solution:
    """All wishes at least cost; else the least shortage by priority, then least cost."""
    if not problem.snapshot.deployments:
        return Solution(problem, {}, {}, {}, {}, 0.0, 0.0, "optimal")
    exact = formulate(problem)
    minimise_cost(exact)
    result = run(exact, settings)
    if result is not None and result.has_primal_feasible_solution():
        return _extract(exact, result)
    if result is not None and result.termination.reason == mathopt.TerminationReason.INFEASIBLE:
        return _solve_elastic(problem, settings)
    return greedy_solution(problem)


def _solve_elastic(problem: Problem, settings: SolveSettings) -> Solution:
    f = formulate(problem, elastic=True)
    levels = sorted({deployment.priority for deployment in problem.snapshot.deployments}, reverse=True)
    for level in levels:
        names = {d.id for d in problem.snapshot.deployments if d.priority == level}
        total = minimise_shortage(f, names)
        result = run(f, settings)
        if result is None or not result.has_primal_feasible_solution():
            return greedy_solution(problem)
        f.model.add_linear_constraint(total <= result.objective_value() + SHORTAGE_TOLERANCE)
    minimise_cost(f)
    result = run(f, settings)
    if result is None or not result.has_primal_feasible_solution():
        return greedy_solution(problem)
    return _extract(f, result)


def formulate(problem: Problem, *, elastic: bool = False) -> Formulation:
    """Build the model: variables, then every constraint in order."""
    f = Formulation(problem, elastic)
    for constraint in CONSTRAINTS:
        constraint(f)
    return f


def run(f: Formulation, settings: SolveSettings) -> mathopt.SolveResult | None:
    """One solver call; None where the solver itself failed (it reports some failures as foreign exceptions)."""
    params = mathopt.SolveParameters(
        time_limit=timedelta(seconds=settings.time_limit_s),
        node_limit=settings.node_limit,
        relative_gap_tolerance=settings.relative_gap,
        random_seed=settings.seed,
    )
    try:
        return mathopt.solve(f.model, mathopt.SolverType.GSCIP, params=params)
    except (RuntimeError, ValueError, AttributeError):
        return None


def _extract(f: Formulation, result: mathopt.SolveResult) -> Solution:
    values = result.variable_values()
    replicas = {key: round(values[variable]) for key, variable in f.replicas.items() if round(values[variable]) > 0}
    nodes: dict[str, int] = {}
    for (pool, _), variable in f.cuts.items():
        nodes[pool] = nodes.get(pool, 0) + round(values[variable])
    routed = {key: values[variable] for key, variable in f.routed.items() if values[variable] > 1e-9}
    routed |= _spread_over_capacity(f, replicas)
    missed = {
        key: values[variable] for key, variable in f.shortage.items() if values[variable] > SHORTAGE_TOLERANCE * 10 * f.shortage_unit[key]
    }
    optimal = result.termination.reason == mathopt.TerminationReason.OPTIMAL
    bound = min(result.dual_bound(), result.objective_value())
    return Solution(
        f.problem,
        replicas,
        {pool: count for pool, count in nodes.items() if count},
        routed,
        missed,
        result.objective_value(),
        bound,
        "optimal" if optimal else "feasible",
    )


def _spread_over_capacity(f: Formulation, replicas: dict[Key, int]) -> dict[tuple[str, int, Key], float]:
    """Traffic of deployments with a single demand class: in proportion to what each placement can serve."""
    routed: dict[tuple[str, int, Key], float] = {}
    for deployment in f.problem.snapshot.deployments:
        classes = f.classes[deployment.id]
        if len(classes) != 1:
            continue
        demand = classes[0]
        options = [o for o in f.problem.options_of[deployment.id] if replicas.get(o.key) and demand.allows(o.pool)]
        able = {o.key: replicas[o.key] * o.shape.rate(demand.bucket) for o in options}
        total = sum(able.values())
        served = min(total, demand.tokens_per_s * (1 + deployment.headroom))
        routed |= {(deployment.id, 0, key): served * part / total for key, part in able.items() if part > 0 and served > 0}
    return routed


def greedy_solution(problem: Problem) -> Solution:
    """The fallback when the solver gives no answer: feasible in every limit, with no bound but zero."""
    replicas, nodes, routed, missed = greedy(problem)
    cost = sum(term.micro_usd_per_h for term in cost_terms(problem, replicas, nodes)) / MICRO
    return Solution(problem, replicas, nodes, routed, missed, cost, 0.0, "greedy")
