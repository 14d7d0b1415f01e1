"""From a bound to a fleet of whole nodes: merge, sweep, reopen, again, until the gap is small or time is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.optimizer.decompose.arrays import Floats
from scheduler.optimizer.decompose.assemble import TASTES, Assembly, Taste, completed, insert, staying, sweep
from scheduler.optimizer.decompose.fleet import FleetArrays
from scheduler.optimizer.decompose.master import FEW, Known
from scheduler.optimizer.decompose.merge import MergeLimits, merge
from scheduler.optimizer.decompose.price import Answer, best_answer, cost_at
from scheduler.optimizer.decompose.reopen import ReopenLimits, present, reopen, troubled

NOISE = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2)
"""Relative spreads of prices at which blocks are asked for other answers."""

TRIES = 5
IDLE_MAX, WORTH = 6, 1e-5
"""So many rounds in a row that gain less than this share end the search."""
ANSWERS_EACH = 15
"""Answers of a block, on the average, that take part in the first merge."""
OPENED, OPENED_MIN, GROWTH = 30, 6.0, 1.25
"""Blocks reopened together: at first, at least, and by how much that changes as the solver is quick or runs out of time."""
REOPENED, REOPEN_S = 4, 2.0
"""Reopenings in a row, and the solver's seconds for each."""
FREED = (0.0, 0.5, 0.9, 1.0)
"""Shares of its scarcity that a pool with room to spare keeps while blocks are placed anew."""
SWEEPS = 8

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


class _Search:
    """The best fleet so far, and two ways to a cheaper one: merging whole answers, and reopening a few deployments exactly.

    Merging makes the larger steps where deployments have few replicas; with many, whole answers are too coarse to fit together.
    """

    def __init__(self, known: Known, prices: Floats, start: Assembly, budget: Budget, seed: int) -> None:
        self.fleet, self.known, self.prices, self.best, self.budget = start.fleet, known, prices, start, budget
        self.rng = np.random.default_rng(seed)
        blocks = max(1, len(self.fleet.blocks))
        self.slack, self.answers = 0.1 * start.cost() / blocks, blocks * ANSWERS_EACH
        self.opened = float(OPENED)
        self.merges = 0

    def merge(self) -> None:
        """Ask all at slightly other prices, and mix what is known."""
        for spread in NOISE * (2 if self.merges == 0 else 1):
            if self.budget.left_s > 0:
                vary(self.fleet, self.known, self.prices, spread, self.rng)
        self.merges += 1
        began, limit_s = self.budget.clock(), max(0.5, min(20.0, 0.4 * self.budget.left_s))
        merged = merge(self.fleet, self.known, self.prices, self.best, MergeLimits(limit_s, self.slack, self.answers))
        self.best = merged or self.best
        if self.budget.clock() - began < limit_s / 2:  # easily done: let dearer answers take part next time
            self.slack, self.answers = self.slack * 1.5, self.answers + self.answers // 2
        elif merged is None:
            self.slack, self.answers = self.slack / 1.5, max(len(self.fleet.blocks) * 6, self.answers // 2)
        self.sweep(3)

    def sweep(self, times: int) -> None:
        """Place every block anew, one after the other."""
        for turn in range(times):
            if self.budget.left_s > 0:
                trial, taste = self.best.copy(), TASTES[self.rng.integers(len(TASTES))]
                prices = present(trial, self.prices, FREED[turn % len(FREED)])
                for index, answer in sweep(trial, prices, taste, self.rng.permutation(len(self.fleet.blocks)).tolist()):
                    self.known.add(index, answer)
                if trial.cost() < self.best.cost() and trial.holds():
                    self.best = trial

    def reopen(self) -> None:
        """Some troubled blocks and their rivals at a time, as many as the solver masters."""
        for _ in range(REOPENED):
            if self.budget.left_s <= 0:
                return
            began, limit_s = self.budget.clock(), max(0.2, min(REOPEN_S, self.budget.left_s))
            opened = troubled(self.best, self.known, self.prices, int(self.opened), self.rng)
            found = reopen(self.best, self.known, self.prices, opened, ReopenLimits(limit_s))
            self.best = found.assembly or self.best
            if not found.exact:
                self.opened = max(OPENED_MIN, self.opened / GROWTH)
            elif self.budget.clock() - began < limit_s / 3:
                self.opened = min(float(len(self.fleet.blocks)), self.opened * GROWTH)


def improve(fleet: FleetArrays, known: Known, prices: Floats, bound: float, start: Assembly, budget: Budget, seed: int) -> Assembly:
    """The best fleet found from ``start``: whichever way gained more for its time goes next."""
    for index, answer in enumerate(start.answers):
        if answer is not None:
            known.add(index, answer)
    search = _Search(known, prices, start, budget, seed)
    ways = [search.reopen]
    if np.median([block.replicas for block in fleet.blocks] or [0]) <= FEW:
        ways.insert(0, search.merge)
    else:
        search.sweep(SWEEPS)
    rates, idle = [np.inf] * len(ways), 0
    for _ in range(budget.rounds_max):
        before, began = search.best.cost(), budget.clock()
        if budget.left_s <= 0 or before - bound <= budget.gap * before or idle >= IDLE_MAX:
            break
        way = int(np.argmax(rates))
        ways[way]()
        gained = before - search.best.cost()
        rates[way] = gained / max(budget.clock() - began, 1e-3)
        idle = idle + 1 if gained <= WORTH * before else 0
    return completed(search.best, present(search.best, prices, 0.0))
