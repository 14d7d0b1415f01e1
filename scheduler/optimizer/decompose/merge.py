"""The best whole-node mix of answers that are known: the master program once more, with whole nodes and one answer each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ortools.math_opt.python import mathopt

from scheduler.optimizer.decompose.arrays import Floats
from scheduler.optimizer.decompose.assemble import Assembly, nothing
from scheduler.optimizer.decompose.fleet import FleetArrays
from scheduler.optimizer.decompose.master import Known, cost_of, usage
from scheduler.optimizer.decompose.price import Answer


@dataclass(frozen=True)
class MergeLimits:
    """Of one merge.

    Attributes:
        slack: USD/h above a block's best answer at the prices that an answer may cost to take part. answers_max: most that do.
    """

    time_limit_s: float
    slack: float
    answers_max: int = 24_000
    gap: float = 2e-4


def merge(fleet: FleetArrays, known: Known, prices: Floats, start: Assembly | None, limits: MergeLimits) -> Assembly | None:
    """An assembly at most as dear as ``start``; None where the solver found nothing better."""
    chosen = _chosen(fleet, known, prices, start, limits)
    model = mathopt.Model(name="merge")
    nodes = [model.add_integer_variable(lb=0.0, ub=float(most)) for most in fleet.most]
    rows = [model.add_linear_constraint(ub=0.0) for _ in fleet.pools]
    for row, variable, size, price in zip(rows, nodes, fleet.size, fleet.price, strict=True):
        row.set_coefficient(variable, -float(size))
        model.objective.set_linear_coefficient(variable, float(price))
    for limit in fleet.limits:
        drawn = mathopt.fast_sum([nodes[pool] * units for pool, units in zip(limit.pools, limit.units, strict=True)])
        model.add_linear_constraint(drawn <= float(limit.most))
    picked: list[tuple[int, Answer, mathopt.Variable]] = []
    for index, answers in enumerate(chosen):
        one = model.add_linear_constraint(lb=1.0, ub=1.0)
        for answer in answers:
            variable = model.add_binary_variable()
            picked.append((index, answer, variable))
            one.set_coefficient(variable, 1.0)
            model.objective.set_linear_coefficient(variable, answer.own_cost)
            for pool, used in usage(fleet.blocks[index], answer).items():
                rows[pool].set_coefficient(variable, used)
    hint = {}
    if start is not None:
        hint = {variable: float(answer is start.answers[index]) for index, answer, variable in picked}
        hint |= dict(zip(nodes, (float(count) for count in start.nodes()), strict=True))
    result = _solved(model, hint, limits)
    if result is None:
        return None
    values = result.variable_values()
    merged = Assembly(fleet)
    for index, answer, variable in picked:
        if values[variable] > 0.5 and merged.answers[index] is None:
            merged.put(index, answer)
    if any(answer is None for answer in merged.answers) or not merged.holds():
        return None
    return merged if start is None or merged.cost() < start.cost() - 1e-9 else None


def _solved(model: mathopt.Model, hint: dict[mathopt.Variable, float], limits: MergeLimits) -> mathopt.SolveResult | None:
    params = mathopt.SolveParameters(time_limit=timedelta(seconds=limits.time_limit_s), relative_gap_tolerance=limits.gap, random_seed=1)
    hints = mathopt.ModelSolveParameters(solution_hints=[mathopt.SolutionHint(variable_values=hint)] if hint else [])
    try:
        result = mathopt.solve(model, mathopt.SolverType.HIGHS, params=params, model_params=hints)
    except (RuntimeError, ValueError, AttributeError):
        return None
    return result if result.has_primal_feasible_solution() else None


def _chosen(fleet: FleetArrays, known: Known, prices: Floats, start: Assembly | None, limits: MergeLimits) -> list[list[Answer]]:
    """Answers that take part: near the best of their block at these prices, the one in use, and giving up."""
    rated: list[list[tuple[float, Answer]]] = []
    for block, answers in zip(fleet.blocks, known.answers, strict=True):
        costs = [(cost_of(block, answer, prices), answer) for answer in answers.values()]
        least = min((cost for cost, _ in costs), default=0.0)
        rated.append([(cost - least, answer) for cost, answer in costs if cost - least <= limits.slack])
    cut = limits.slack
    above = sorted(extra for each in rated for extra, _ in each)
    if len(above) > limits.answers_max:
        cut = above[limits.answers_max]
    found = []
    for index, each in enumerate(rated):
        mine = [answer for extra, answer in each if extra <= cut]
        current = start.answers[index] if start else None
        if current is not None and not any(answer is current for answer in mine):
            mine.append(current)
        if not any(answer.given_up >= 1.0 for answer in mine):
            mine.append(nothing(fleet.blocks[index]))
        found.append(mine)
    return found
