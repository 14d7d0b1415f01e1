"""Whole nodes: one answer for every block at a time, its cost exact, and moves of one block that make it cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np

from scheduler.optimizer.decompose.arrays import Flags, Floats, Ints
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.cover import cover
from scheduler.optimizer.decompose.fleet import FleetArrays
from scheduler.optimizer.decompose.master import usage
from scheduler.optimizer.decompose.price import Answer, pick

ROUND = 1e-9
NODES = 60


@dataclass
class Assembly:
    """One answer for every block, and the nodes that hold them.

    Attributes:
        answers: by block; None where it is still to be placed.
        used: float64 [pool] accelerators taken. own: USD/h of starts and of what is given up.
    """

    fleet: FleetArrays
    answers: list[Answer | None] = field(default_factory=list)
    used: Floats = field(default_factory=lambda: np.zeros(0))
    own: float = 0.0

    def __post_init__(self) -> None:
        fleet = self.fleet
        if not self.answers:
            self.answers = [None] * len(fleet.blocks)
            self.used = np.zeros(len(fleet.pools))
        drawn: list[list[tuple[int, float]]] = [[] for _ in fleet.pools]
        for index, limit in enumerate(fleet.limits):
            for pool, units in zip(limit.pools, limit.units, strict=True):
                drawn[int(pool)].append((index, float(units)))
        width = max((len(each) for each in drawn), default=0)
        self._limit = np.zeros((len(fleet.pools), width), np.int64)
        self._units = np.full((len(fleet.pools), width), 1e-12)
        for pool, each in enumerate(drawn):
            for place, (index, units) in enumerate(each):
                self._limit[pool, place], self._units[pool, place] = index, units
        self._most = np.array([limit.most for limit in fleet.limits])
        bounded = [limit for limit in fleet.limits if len(limit.pools)]
        assert len(bounded) == len(fleet.limits)
        self._member = np.concatenate([np.zeros(0, np.int64), *(limit.pools for limit in bounded)])
        self._draws = np.concatenate([np.zeros(0), *(limit.units for limit in bounded)])
        self._begin = np.cumsum([0, *(len(limit.pools) for limit in bounded)])[:-1]

    def put(self, index: int, answer: Answer) -> None:
        self._change(index, answer, 1.0)
        self.answers[index] = answer

    def take(self, index: int) -> Answer:
        """Take a block's answer out."""
        answer = self.answers[index]
        assert answer is not None
        self._change(index, answer, -1.0)
        self.answers[index] = None
        return answer

    def _change(self, index: int, answer: Answer, sign: float) -> None:
        for pool, amount in usage(self.fleet.blocks[index], answer).items():
            self.used[pool] += sign * amount
        self.own += sign * answer.own_cost

    def nodes(self) -> Floats:
        """float64 [pool], whole."""
        return np.ceil(self.used / self.fleet.size - ROUND)

    def cost(self) -> float:
        """USD/h of nodes, starts and penalties."""
        return self.own + float(self.fleet.price @ self.nodes())

    def room(self, nodes: Floats) -> Floats:
        """float64 [pool]: nodes that stock, quotas and reservations still leave, pool by pool."""
        left = self.fleet.most - nodes
        if self._most.size:
            spare = np.where(self._units > 1e-9, np.floor((self._most - self.drawn(nodes))[self._limit] / self._units + ROUND), np.inf)
            left = np.minimum(left, spare.min(axis=1, initial=np.inf))
        return np.maximum(left, 0.0)

    def holds(self) -> bool:
        """True where every limit is kept."""
        nodes = self.nodes()
        return bool((nodes <= self.fleet.most + ROUND).all()) and bool((self.drawn(nodes) <= self._most + ROUND).all())

    def drawn(self, nodes: Floats) -> Floats:
        """float64 [limit]: units that so many nodes (float64 [pool]) take of each limit."""
        return np.add.reduceat(self._draws * nodes[self._member], self._begin) if len(self._begin) else np.zeros(0)

    def over(self, nodes: Floats) -> list[Ints]:
        """The pools of every limit that so many nodes break."""
        return [self.fleet.limits[index].pools for index in np.flatnonzero(self.drawn(nodes) > self._most + ROUND)]

    def copy(self) -> Assembly:
        other = copy(self)
        other.answers, other.used = list(self.answers), self.used.copy()
        return other


@dataclass(frozen=True)
class Taste:
    """How an insertion values what is not simply cost.

    Attributes:
        filling: share of an accelerator's price that one on a node already paid for counts as.
        emptiness: share of the rest of a new node that its first replica is charged with.
        firmness: how many times its price giving up counts.
    """

    filling: float
    emptiness: float
    firmness: float = 1.0


TASTES = tuple(Taste(filling, emptiness) for filling in (0.1, 0.3, 0.6, 0.9) for emptiness in (0.0, 0.2, 0.5, 1.0))


def insert(assembly: Assembly, index: int, prices: Floats, taste: Taste, nodes_max: int = NODES) -> Answer:
    """The best place for one block beside what the others hold: first in the gaps of nodes already paid, then on new ones."""
    fleet, block = assembly.fleet, assembly.fleet.blocks[index]
    columns, nodes = block.columns, assembly.nodes()
    pool, taken = columns.pool, columns.accelerators
    gaps = nodes * fleet.size - assembly.used
    size, price = fleet.size[pool], fleet.price[pool]
    space = gaps + assembly.room(nodes) * fleet.size
    in_gaps = np.minimum(columns.most, np.floor(gaps[pool] / taken + ROUND)).astype(np.int64)
    in_all = np.minimum(columns.most, np.floor(space[pool] / taken + ROUND)).astype(np.int64)
    share = np.minimum(1.0, taken / size)
    new = np.maximum(price * taken / size * (1.0 + taste.emptiness * (1.0 / share - 1.0)), prices[pool] * taken)
    choice = _Choice(
        np.concatenate([columns.start + taste.filling * prices[pool] * taken, columns.start + new]),
        np.concatenate([in_gaps, in_all - in_gaps]),
        np.concatenate([columns.kind, columns.kind]),
        np.concatenate([columns.kept, columns.kept]),
    )
    for _ in range(CROWDED_MAX):
        answer = _covered(block, choice, block.g * taste.firmness, nodes_max)
        taken_there = usage(block, answer)
        over = [p for p, amount in taken_there.items() if amount > space[p] + ROUND]
        if not over:
            crowded = _crowded(assembly, taken_there, nodes)
            if not crowded:
                return answer
            # Each pool has room, but together they break a limit: the one that is used most goes on, the others open no more nodes.
            closed = np.isin(pool, crowded)
            choice.most[len(pool) :][closed] = 0
            continue
        # Columns of one pool share its room: keep what the answer wants most there, and offer the others what is left.
        for p in over:
            left = space[p]
            mine = {int(c): int(n) for c, n in zip(answer.columns, answer.counts, strict=True) if pool[c] == p}
            for column in sorted(np.flatnonzero(pool == p).tolist(), key=lambda c: -mine.get(c, 0)):
                fits = int(min(columns.most[column], max(0, np.floor(left / taken[column] + ROUND))))
                left -= taken[column] * min(fits, mine.get(column, 0))
                choice.most[column] = min(choice.most[column], fits)
                choice.most[column + len(pool)] = min(choice.most[column + len(pool)], fits - choice.most[column])
    return nothing(block)


def _crowded(assembly: Assembly, taken: dict[int, float], nodes: Floats) -> list[int]:
    """Pools that must open no more nodes, so that what they share with others is kept; none where all limits hold."""
    after = nodes.copy()
    for p, amount in taken.items():
        after[p] = np.ceil((assembly.used[p] + amount) / assembly.fleet.size[p] - ROUND)
    found: set[int] = set()
    for members in assembly.over(after):
        here = [p for p in members.tolist() if after[p] > nodes[p]]
        found.update(here if len(here) < 2 else sorted(here, key=lambda p: nodes[p] - after[p])[1:])
    return sorted(found)


CROWDED_MAX = 8


@dataclass(frozen=True)
class _Choice:
    """Columns twice: in gaps, then on new nodes. costs: float64. most: int64. kind: int64. kept: bool."""

    costs: Floats
    most: Ints
    kind: Ints
    kept: Flags


def _covered(block: Block, choice: _Choice, give_up: Floats, nodes_max: int) -> Answer:
    columns = block.columns
    while True:
        chosen, _ = pick(choice.kind, choice.costs, choice.most, block.needed, block.rows, block.alike, choice.kept)
        of = choice.kind[chosen]
        _, cost, x, y, _ = cover(
            np.ascontiguousarray(block.a[:, of]), block.e, block.b, block.own, choice.costs[chosen], give_up, choice.most[chosen],
            np.ascontiguousarray(block.groups[:, of]), np.inf, nodes_max,
        )  # fmt: skip
        if not np.isfinite(cost):
            return nothing(block)
        used = x > 0
        by_kind = np.zeros(block.rows.shape[1], np.int64)
        np.add.at(by_kind, of[used], x[used])
        if y[0] > 0 or not block.learn(by_kind):
            break
    where, inverse = np.unique(chosen[used] % len(columns.pool), return_inverse=True)
    counts = np.zeros(len(where), np.int64)
    np.add.at(counts, inverse, x[used])
    own = float(columns.start[where] @ counts + block.g[0] * y[0])
    return Answer(where, counts, float(y[0]), own)


FIRM, SMALL = Taste(0.6, 0.2, 1e4), 0.01


def completed(assembly: Assembly, prices: Floats) -> Assembly:
    """Whoever gives up a small part of its wish, which costs less than one more replica, gets that replica where there is room."""
    found = assembly.copy()
    for index, answer in enumerate(assembly.answers):
        if answer is not None and 0.0 < answer.given_up < SMALL:
            found.take(index)
            found.put(index, insert(found, index, prices, FIRM))
            firmer = found.answers[index]
            if firmer is None or firmer.given_up >= answer.given_up or not found.holds():
                found.take(index)
                found.put(index, answer)
    return found


def staying(block: Block) -> Answer | None:
    """What runs of this deployment today, where that satisfies all its own rules."""
    columns = block.columns
    kept = np.flatnonzero(columns.kept)
    by_kind = np.zeros(block.rows.shape[1], np.int64)
    np.add.at(by_kind, columns.kind[kept], columns.most[kept])
    if not len(kept) or (block.rows @ by_kind < block.wish - ROUND * (1 + np.abs(block.wish))).any() or block.learn(by_kind):
        return None
    return Answer(kept, columns.most[kept].copy(), 0.0, 0.0)


def nothing(block: Block) -> Answer:
    """The whole wish given up."""
    return Answer(np.zeros(0, np.int64), np.zeros(0, np.int64), 1.0, block.give_up)


def sweep(assembly: Assembly, prices: Floats, taste: Taste, order: Sequence[int]) -> list[tuple[int, Answer]]:
    """Place every block anew, one after the other, and keep what makes the whole cheaper; returns all answers met."""
    met = []
    before = assembly.cost()
    for index in order:
        old = assembly.take(index)
        new = insert(assembly, index, prices, taste)
        assembly.put(index, new)
        met.append((index, new))
        after = assembly.cost()
        if after <= before + ROUND:
            before = after
        else:
            assembly.take(index)
            assembly.put(index, old)
    return met
