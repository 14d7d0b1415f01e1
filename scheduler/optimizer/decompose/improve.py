"""From a bound to a fleet of whole nodes: vary, merge, sweep, again, until the gap is small or time is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.optimizer.decompose.arrays import Floats
from scheduler.optimizer.decompose.assemble import TASTES, Assembly, Taste, insert, staying, sweep
from scheduler.optimizer.decompose.fleet import FleetArrays
from scheduler.optimizer.decompose.master import Known
from scheduler.optimizer.decompose.merge import MergeLimits, merge
from scheduler.optimizer.decompose.price import Answer, best_answer, cost_at

NOISE = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2)
"""Relative spreads of prices at which blocks are asked for other answers."""

TRIES = 5
IDLE_MAX, WORTH = 4, 1e-5
"""So many rounds in a row that gain less than this share end the search."""
ANSWERS_EACH = 15
"""Answers of a block, on the average, that take part in the first merge."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Budget:
    """Until when to go on.

    Attributes:
        clock: seconds on a steady clock. until_s: on that clock. gap: relative, at which to stop. rounds_max: of the search.
    """

    clock: Clock
    until_s: float
    gap: float
    rounds_max: int

    @property
    def left_s(self) -> float:
        return self.until_s - self.clock()


def construct(fleet: FleetArrays, prices: Floats, mix: Sequence[tuple[float, int, Answer]] = ()) -> Assembly:
    """A first fleet: the largest shares of a mix, or else what runs and may stay; then the dearest wishes, each where it is best
    beside those before. Whoever finds no place that way is placed before all others in another try."""
    first = [(index, answer) for _, index, answer in sorted(mix, key=lambda each: -each[0])]
    if not mix:
        first = [(index, answer) for index, block in enumerate(fleet.blocks) if (answer := staying(block)) is not None]
        first.sort(key=lambda each: -fleet.blocks[each[0]].give_up)
    best, ahead = None, list[int]()
    for _ in range(TRIES if mix else 1):
        found = _placed(fleet, prices, first, ahead)
        best = found if best is None or found.cost() < best.cost() else best
        homeless = [index for index, answer in enumerate(found.answers) if answer is not None and answer.given_up > 0]
        if not homeless or set(homeless) <= set(ahead):
            break
        ahead += [index for index in homeless if index not in ahead]
    assert best is not None
    return best


def _placed(fleet: FleetArrays, prices: Floats, first: Sequence[tuple[int, Answer]], ahead: Sequence[int]) -> Assembly:
    assembly = Assembly(fleet)
    for index in ahead:
        assembly.put(index, insert(assembly, index, prices, Taste(0.6, 0.2)))
    for index, answer in first:
        if assembly.answers[index] is None and answer.given_up == 0:
            assembly.put(index, answer)
            if not assembly.holds():
                assembly.take(index)
    waiting = [index for index, answer in enumerate(assembly.answers) if answer is None]
    for index in sorted(waiting, key=lambda index: -fleet.blocks[index].give_up):
        assembly.put(index, insert(assembly, index, prices, Taste(0.6, 0.2)))
    return assembly


def vary(fleet: FleetArrays, known: Known, prices: Floats, spread: float, rng: np.random.Generator) -> None:
    """Ask every block at slightly other prices."""
    other = prices * np.exp(spread * rng.standard_normal(len(fleet.pools)))
    for index, block in enumerate(fleet.blocks):
        _, answer = best_answer(block, cost_at(block, other), np.inf, 100)
        if answer is not None:
            known.add(index, answer)


def improve(fleet: FleetArrays, known: Known, prices: Floats, bound: float, start: Assembly, budget: Budget, seed: int) -> Assembly:
    """The best fleet found from ``start``."""
    rng = np.random.default_rng(seed)
    best = start
    for index, answer in enumerate(start.answers):
        if answer is not None:
            known.add(index, answer)
    slack, answers = 0.1 * bound / max(1, len(fleet.blocks)), len(fleet.blocks) * ANSWERS_EACH
    idle = 0
    for round_ in range(budget.rounds_max):
        before = best.cost()
        if budget.left_s <= 0 or before - bound <= budget.gap * before or idle >= IDLE_MAX:
            break
        for spread in NOISE * (2 if round_ == 0 else 1):
            if budget.left_s > 0:
                vary(fleet, known, prices, spread, rng)
        began, limit_s = budget.clock(), max(0.5, min(20.0, 0.4 * budget.left_s))
        merged = merge(fleet, known, prices, best, MergeLimits(limit_s, slack, answers))
        best = merged or best
        if budget.clock() - began < limit_s / 2:  # easily done: let dearer answers take part next time
            slack, answers = slack * 1.5, answers + answers // 2
        elif merged is None:
            slack, answers = slack / 1.5, max(len(fleet.blocks) * 6, answers // 2)
        for taste in rng.permutation(len(TASTES))[:3]:
            if budget.left_s > 0:
                trial = best.copy()
                for index, answer in sweep(trial, prices, TASTES[taste], rng.permutation(len(fleet.blocks)).tolist()):
                    known.add(index, answer)
                if trial.cost() < best.cost() and trial.holds():
                    best = trial
        idle = idle + 1 if before - best.cost() <= WORTH * before else 0
    return best
