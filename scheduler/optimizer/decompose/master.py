"""Prices that make the blocks agree on scarce nodes, by column generation, and the bound that they prove.

The master program mixes known answers of every block within the limits on nodes:

    minimise    sum (own cost + accelerators * price / size) * share
    subject to  sum of shares = 1 by block
                accelerators used in a pool <= size * most          scarcity k >= 0 by pool
                sum(units * accelerators / size) <= most by limit    scarcity r >= 0 by limit

Nodes are paid by the accelerator in it, so that an accelerator costs (price + k + sum(units * r)) / size. Those prices go to the
blocks; an answer that is cheaper than its block's best known one enters. Any k, r >= 0 prove a bound, whatever the master knows:

    sum of the blocks' least costs at those prices - sum(most * k) - sum(most of the limit * r)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from ortools.math_opt.python import mathopt

from scheduler.optimizer.decompose.arrays import Floats
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.fleet import FleetArrays
from scheduler.optimizer.decompose.price import Answer, best_answer, cost_at

NODES = 2_000
SOFTER = 0.05
"""Giving up costs the master this share of its price, for the sake of its numbers; the search for whole nodes knows the whole."""
SPREADS = 6
FEW = 6
"""Blocks of more replicas get a twentieth of the search: their relaxation is tight, and their search long."""
SMOOTHING = 0.5
"""Prices asked are half the best ones so far, half the master's: the master alone swings."""

ROUND = 1e-7
STILL = 1e-5
"""A round that makes the mix cheaper by less than this share gains nothing."""

Late: TypeAlias = Callable[[], bool]


@dataclass(frozen=True)
class Scarcity:
    """USD/h of one node more, by pool and by limit: float64 [pool], float64 [limit]."""

    pool: Floats
    limit: Floats

    @staticmethod
    def none(fleet: FleetArrays) -> Scarcity:
        return Scarcity(np.zeros(len(fleet.pools)), np.zeros(len(fleet.limits)))

    def towards(self, other: Scarcity, share: float) -> Scarcity:
        return Scarcity(self.pool + share * (other.pool - self.pool), self.limit + share * (other.limit - self.limit))

    def prices(self, fleet: FleetArrays) -> Floats:
        """float64 [pool]: USD per accelerator and hour."""
        whole = fleet.price + self.pool
        for limit, scarce in zip(fleet.limits, self.limit, strict=True):
            whole[limit.pools] += limit.units * scarce
        return whole / fleet.size

    def held(self, fleet: FleetArrays) -> float:
        """USD/h that all scarce nodes are worth; what the bound takes off."""
        return float(fleet.most @ self.pool) + float(sum(limit.most * s for limit, s in zip(fleet.limits, self.limit, strict=True)))


@dataclass
class Known:
    """Every answer met so far, by block; the same answer once."""

    answers: list[dict[bytes, Answer]]

    @staticmethod
    def of(fleet: FleetArrays) -> Known:
        return Known([{} for _ in fleet.blocks])

    def add(self, block: int, answer: Answer) -> bool:
        """False where it was known."""
        key = answer.columns.tobytes() + answer.counts.tobytes() + np.float64(round(answer.given_up, 6)).tobytes()
        if key in self.answers[block]:
            return False
        self.answers[block][key] = answer
        return True


def cost_of(block: Block, answer: Answer, prices: Floats) -> float:
    """USD/h of an answer at prices per accelerator."""
    columns = answer.columns
    return answer.own_cost + float((block.columns.accelerators[columns] * prices[block.columns.pool[columns]]) @ answer.counts)


def ask(
    fleet: FleetArrays, prices: Floats, known: Known, nodes: int = NODES, certain: Mapping[int, float] | None = None
) -> tuple[Floats, int]:
    """Every block's best answer at these prices; returns (their lower bounds float64 [block], how many answers are new).

    Args:
        certain: bounds of blocks that need not be asked, since neither they nor their prices have changed.
    """
    bounds, new = np.zeros(len(fleet.blocks)), 0
    for index, block in enumerate(fleet.blocks):
        if certain is not None and index in certain:
            bounds[index] = certain[index]
            continue
        least = min((cost_of(block, answer, prices) for answer in known.answers[index].values()), default=np.inf)
        worth = nodes if block.replicas <= FEW else max(50, nodes // 20)
        bound, answer = best_answer(block, cost_at(block, prices), least * (1 - 1e-7), worth)
        bounds[index] = min(bound, least)
        if answer is not None:
            new += known.add(index, answer)
    return bounds, new


@dataclass
class Master:
    """The master program and its solver, kept between rounds: new answers are added to what is solved already."""

    fleet: FleetArrays
    model: mathopt.Model = field(default_factory=lambda: mathopt.Model(name="master"))
    taken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        fleet, model = self.fleet, self.model
        self._whole = [model.add_linear_constraint(lb=1.0, ub=1.0) for _ in fleet.blocks]
        self._pools = [model.add_linear_constraint(ub=float(most * size)) for most, size in zip(fleet.most, fleet.size, strict=True)]
        self._limits = [model.add_linear_constraint(ub=float(limit.most)) for limit in fleet.limits]
        self._drawn: dict[int, list[tuple[int, float]]] = {}
        for index, limit in enumerate(fleet.limits):
            for pool, units in zip(limit.pools, limit.units, strict=True):
                self._drawn.setdefault(int(pool), []).append((index, float(units)))
        self.taken = [0] * len(fleet.blocks)
        self._shares: list[tuple[int, Answer, mathopt.Variable]] = []
        self.mix: list[tuple[float, int, Answer]] = []
        for block, row in zip(fleet.blocks, self._whole, strict=True):
            nothing = model.add_variable(lb=0.0)
            row.set_coefficient(nothing, 1.0)
            model.objective.set_linear_coefficient(nothing, block.give_up * SOFTER)
        self._solver = mathopt.IncrementalSolver(model, mathopt.SolverType.GLOP)

    def learn(self, known: Known) -> None:
        """Add the answers that came since."""
        for index, answers in enumerate(known.answers):
            for answer in list(answers.values())[self.taken[index] :]:
                self._add(index, answer)
            self.taken[index] = len(answers)

    def _add(self, index: int, answer: Answer) -> None:
        block, share = self.fleet.blocks[index], self.model.add_variable(lb=0.0)
        self._shares.append((index, answer, share))
        self._whole[index].set_coefficient(share, 1.0)
        for pool, used in usage(block, answer).items():
            self._pools[pool].set_coefficient(share, used)
            for limit, units in self._drawn.get(pool, ()):
                row = self._limits[limit]
                row.set_coefficient(share, row.get_coefficient(share) + units * used / self.fleet.size[pool])
        self.model.objective.set_linear_coefficient(share, cost_of(block, answer, self.fleet.price / self.fleet.size))

    def solve(self) -> tuple[float, Scarcity] | None:
        """(cost of the best mix, scarcity at it); None where the solver lost its way twice."""
        result = self._solver.solve()
        if not result.has_dual_feasible_solution():
            self._solver = mathopt.IncrementalSolver(self.model, mathopt.SolverType.GLOP)
            result = self._solver.solve()
            if not result.has_dual_feasible_solution():
                return None
        values, duals = result.variable_values(), result.dual_values()
        self.mix = [(value, index, answer) for index, answer, share in self._shares if (value := values[share]) > ROUND]
        pools = np.array([max(0.0, -duals[row]) for row in self._pools]) * self.fleet.size
        limits = np.array([max(0.0, -duals[row]) for row in self._limits])
        return result.objective_value(), Scarcity(pools, limits)


def usage(block: Block, answer: Answer) -> dict[int, float]:
    """Accelerators that an answer takes, by pool."""
    found: dict[int, float] = {}
    for column, count in zip(answer.columns, answer.counts, strict=True):
        pool = int(block.columns.pool[column])
        found[pool] = found.get(pool, 0.0) + float(block.columns.accelerators[column]) * float(count)
    return found


@dataclass(frozen=True)
class Bounded:
    """What column generation leaves: the best scarcity, the bound it proves, and the last mix as (share, block, answer)."""

    scarcity: Scarcity
    bound: float
    mixed: float
    rounds: int
    mix: list[tuple[float, int, Answer]]


def generate(fleet: FleetArrays, known: Known, start: Scarcity, late: Late, *, gap: float = 2e-4, rounds_max: int = 60) -> Bounded:
    """Alternate between master and blocks until the bound meets the mix, the rounds end or time is up."""
    center, bound = start, -np.inf
    for _ in range(2):
        asked = center.prices(fleet)
        bounds, _ = ask(fleet, asked, known)
        bound = max(bound, float(bounds.sum()) - center.held(fleet))
        _spread(fleet, known, asked)
    master, mixed, stale, still, rounds = Master(fleet), np.inf, 0, 0, 0
    while rounds < rounds_max:
        rounds += 1
        master.learn(known)
        answer = master.solve()
        if answer is None:
            break
        still = still + 1 if mixed - answer[0] <= STILL * abs(answer[0]) else 0
        mixed, found = answer
        asked_at = center.towards(found, SMOOTHING if stale < 3 else 1.0)
        bounds, new = ask(fleet, asked_at.prices(fleet), known)
        value = float(bounds.sum()) - asked_at.held(fleet)
        if value > bound:
            bound, center = value, asked_at
        stale = 0 if new else stale + 1
        if mixed - bound <= gap * abs(mixed) or stale > 2 or still > 5 or late():
            break
    return Bounded(center, bound, mixed, rounds, master.mix)


def _spread(fleet: FleetArrays, known: Known, prices: Floats) -> None:
    """Answers for when the favourites are full: raise the price of whatever is overbooked, again and again."""
    prices = prices.copy()
    for _ in range(SPREADS):
        used = np.zeros(len(fleet.pools))
        for block, answers in zip(fleet.blocks, known.answers, strict=True):
            best = min(answers.values(), key=lambda answer: cost_of(block, answer, prices), default=None)
            for pool, amount in usage(block, best).items() if best else ():
                used[pool] += amount
        over = used / np.maximum(fleet.size * fleet.most, 1e-9)
        if not (over > 1.0).any():
            return
        prices = prices * np.where(over > 1.0, np.minimum(3.0, np.sqrt(over)) * 1.05, 1.0)
        ask(fleet, prices, known, nodes=50)
