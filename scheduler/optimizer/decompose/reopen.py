"""Some deployments placed anew together, exactly, while all others stay: their replicas and the nodes in one integer program.

minimise    sum start * replicas + give-up price * share given up + sum price * nodes
subject to  each open block's own rows
            accelerators of the open blocks - size * nodes <= - accelerators of the others, by pool
            sum(units * nodes) <= most, by limit;   nodes >= what the others need
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from ortools.math_opt.python import mathopt

from scheduler.optimizer.decompose.arrays import Floats
from scheduler.optimizer.decompose.assemble import ROUND, Assembly
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.master import Known, cost_of, usage
from scheduler.optimizer.decompose.price import Answer, cost_at, pick

COLUMNS_MAX = 40
"""Ways to place a replica of one block that take part, cheapest at the prices first."""
NEAR = 0.02
"""Columns of known answers take part where the answer is so near to the block's best."""
LEARNING_MAX = 3
"""Most times that answers which break a rule not yet among the rows are corrected."""
CRUMB = 1e-7


@dataclass(frozen=True)
class ReopenLimits:
    """Of one reopening: seconds for the solver, and the relative gap at which it stops."""

    time_limit_s: float
    gap: float = 1e-5


@dataclass(frozen=True)
class Reopened:
    """What a reopening found.

    Attributes:
        assembly: None where nothing cheaper was found. exact: False where time ran out first.
    """

    assembly: Assembly | None
    exact: bool


def reopen(assembly: Assembly, known: Known, prices: Floats, opened: Sequence[int], limits: ReopenLimits) -> Reopened:
    """The cheapest assembly that differs from this one in the opened blocks alone."""
    fleet = assembly.fleet
    views = (prices, present(assembly, prices, 0.0), present(assembly, prices, 0.5))
    columns = {index: _columns(assembly, known, index, views) for index in opened}
    for _ in range(LEARNING_MAX):
        program = _Program(assembly, columns)
        result = _solved(program.model, program.hint(), limits)
        if result is None:
            return Reopened(None, False)
        exact = result.termination.reason == mathopt.TerminationReason.OPTIMAL
        answers = program.answers(result.variable_values())
        learned = [index for index, answer in answers.items() if _learned(fleet.blocks[index], answer)]
        if learned:
            continue
        found = assembly.copy()
        for index in opened:
            found.take(index)
        for index, answer in answers.items():
            found.put(index, answer)
            known.add(index, answer)
        better = found.cost() < assembly.cost() - ROUND and found.holds()
        return Reopened(found if better else None, exact)
    return Reopened(None, False)


def present(assembly: Assembly, prices: Floats, kept: float) -> Floats:
    """float64 [pool]: prices per accelerator where pools that have room to spare keep this share of their scarcity."""
    base = assembly.fleet.price / assembly.fleet.size
    return np.where(assembly.room(assembly.nodes()) > 0, base + kept * (prices - base), prices)


def _learned(block: Block, answer: Answer) -> bool:
    """True where the answer breaks a rule that was not among the rows; now it is."""
    by_kind = np.zeros(block.rows.shape[1], np.int64)
    np.add.at(by_kind, block.columns.kind[answer.columns], answer.counts)
    return answer.given_up == 0 and block.learn(by_kind)


def _columns(assembly: Assembly, known: Known, index: int, views: Sequence[Floats]) -> list[int]:
    """Columns that could be worth it at any of these prices, those of near-best answers, and those in use."""
    block = assembly.fleet.blocks[index]
    costs = [(cost_of(block, answer, views[0]), answer) for answer in known.answers[index].values()]
    least = min((cost for cost, _ in costs), default=0.0)
    wanted = {int(c) for cost, answer in costs if cost <= least * (1 + NEAR) for c in answer.columns}
    for prices in views:
        own = block.columns
        chosen, _ = pick(own.kind, cost_at(block, prices), own.most, block.needed, block.rows, block.alike, own.kept)
        wanted.update(chosen.tolist())
    by_cost = cost_at(block, views[0])
    current = assembly.answers[index]
    used = set(current.columns.tolist()) if current is not None else set()
    return sorted({*sorted(wanted, key=lambda column: (by_cost[column], column))[:COLUMNS_MAX], *used})


class _Program:
    """The program of the opened blocks."""

    def __init__(self, assembly: Assembly, columns: dict[int, list[int]]) -> None:
        self._assembly, self._columns, fleet = assembly, columns, assembly.fleet
        self._held = assembly.used.copy()
        for index in columns:
            answer = assembly.answers[index]
            for pool, amount in usage(fleet.blocks[index], answer).items() if answer is not None else ():
                self._held[pool] -= amount
        self._need = np.ceil(self._held / fleet.size - ROUND)
        self.model = mathopt.Model(name="reopen")
        self._nodes: dict[int, mathopt.Variable] = {}
        self._rows: dict[int, mathopt.LinearConstraint] = {}
        self._replicas: dict[int, dict[int, mathopt.Variable]] = {}
        self._given_up: dict[int, mathopt.Variable] = {}
        for index in columns:
            self._block(index)
        self._limits()

    def _pool(self, pool: int) -> mathopt.LinearConstraint:
        """The row of a pool's accelerators; it comes with its nodes when it is first asked for."""
        if pool not in self._rows:
            fleet, need = self._assembly.fleet, float(self._need[pool])
            nodes = self.model.add_integer_variable(lb=need, ub=max(need, float(fleet.most[pool])))
            self.model.objective.set_linear_coefficient(nodes, float(fleet.price[pool]))
            row = self.model.add_linear_constraint(ub=-float(self._held[pool]))
            row.set_coefficient(nodes, -float(fleet.size[pool]))
            self._nodes[pool], self._rows[pool] = nodes, row
        return self._rows[pool]

    def _block(self, index: int) -> None:
        block = self._assembly.fleet.blocks[index]
        given_up = self.model.add_variable(lb=0.0, ub=1.0)
        self.model.objective.set_linear_coefficient(given_up, block.give_up)
        own = [self.model.add_linear_constraint(lb=float(wish)) for wish in block.b]
        for row, elastic in zip(own, block.e[:, 0], strict=True):
            if elastic != 0.0:
                row.set_coefficient(given_up, float(elastic))
        replicas = {}
        for column in self._columns[index]:
            variable = self.model.add_integer_variable(lb=0.0, ub=float(block.columns.most[column]))
            self.model.objective.set_linear_coefficient(variable, float(block.columns.start[column]))
            self._pool(int(block.columns.pool[column])).set_coefficient(variable, float(block.columns.accelerators[column]))
            for row, coefficient in zip(own, block.a[:, block.columns.kind[column]], strict=True):
                if coefficient != 0.0:
                    row.set_coefficient(variable, float(coefficient))
            replicas[column] = variable
        self._replicas[index], self._given_up[index] = replicas, given_up

    def _limits(self) -> None:
        for limit in self._assembly.fleet.limits:
            pairs = [(int(pool), float(units)) for pool, units in zip(limit.pools, limit.units, strict=True)]
            free = [self._nodes[pool] * units for pool, units in pairs if pool in self._nodes]
            if free:
                rest = sum(units * float(self._need[pool]) for pool, units in pairs if pool not in self._nodes)
                self.model.add_linear_constraint(mathopt.fast_sum(free) <= float(limit.most) - rest)

    def hint(self) -> dict[mathopt.Variable, float]:
        """The present answers."""
        nodes = self._assembly.nodes()
        found = {variable: float(nodes[pool]) for pool, variable in self._nodes.items()}
        for index, replicas in self._replicas.items():
            answer = self._assembly.answers[index]
            counts = dict(zip(answer.columns.tolist(), answer.counts.tolist(), strict=True)) if answer is not None else {}
            found |= {variable: float(counts.get(column, 0)) for column, variable in replicas.items()}
            found[self._given_up[index]] = answer.given_up if answer is not None else 1.0
        return found

    def answers(self, values: dict[mathopt.Variable, float]) -> dict[int, Answer]:
        """By block."""
        found = {}
        for index, replicas in self._replicas.items():
            block = self._assembly.fleet.blocks[index]
            counted = [(column, round(values[variable])) for column, variable in replicas.items() if values[variable] > 0.5]
            where = np.array([column for column, _ in counted], np.int64)
            counts = np.array([count for _, count in counted], np.int64)
            given_up = values[self._given_up[index]]
            given_up = given_up if given_up > CRUMB else 0.0
            found[index] = Answer(where, counts, given_up, float(block.columns.start[where] @ counts) + block.give_up * given_up)
        return found


def _solved(model: mathopt.Model, hint: dict[mathopt.Variable, float], limits: ReopenLimits) -> mathopt.SolveResult | None:
    params = mathopt.SolveParameters(time_limit=timedelta(seconds=limits.time_limit_s), relative_gap_tolerance=limits.gap, random_seed=1)
    hints = mathopt.ModelSolveParameters(solution_hints=[mathopt.SolutionHint(variable_values=hint)])
    try:
        result = mathopt.solve(model, mathopt.SolverType.HIGHS, params=params, model_params=hints)
    except (RuntimeError, ValueError, AttributeError):
        return None
    return result if result.has_primal_feasible_solution() else None


def troubled(assembly: Assembly, known: Known, prices: Floats, size: int, rng: np.random.Generator) -> list[int]:
    """Blocks to open: a third of those that are far from their best answer, drawn by how far, and others that hold what these want."""
    blocks = assembly.fleet.blocks
    held = [_pools(block, answer) for block, answer in zip(blocks, assembly.answers, strict=True)]
    best = [
        min(answers.values(), key=lambda each: cost_of(block, each, prices)) for block, answers in zip(blocks, known.answers, strict=True)
    ]
    regret = np.array(
        [
            cost_of(block, answer, prices) - cost_of(block, least, prices)
            for block, answer, least in zip(blocks, assembly.answers, best, strict=True)
            if answer is not None
        ]
    )
    weight = np.maximum(regret, 1e-3 * max(float(regret.mean()), 1e-9))
    first = rng.choice(len(blocks), size=min(len(blocks), max(1, size // 3)), replace=False, p=weight / weight.sum()).tolist()
    wanted = {pool for index in first for pool in _pools(blocks[index], best[index])}
    near = [index for index in range(len(blocks)) if index not in first and held[index] & wanted]
    beside = rng.choice(near, size=min(len(near), size - len(first)), replace=False).tolist() if near else []
    return sorted(int(index) for index in {*first, *beside})


def _pools(block: Block, answer: Answer | None) -> set[int]:
    return set(block.columns.pool[answer.columns].tolist()) if answer is not None else set()
