"""Each deployment as a covering question of its own: columns are the ways to place one replica, rows are its own rules.

What couples deployments (nodes, stock, quotas, reservations) is not here; it reaches a block only through prices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from scheduler.domain.workload import Deployment, EngineShape
from scheduler.optimizer.decompose.arrays import EPSILON, Flags, Floats, Ints
from scheduler.optimizer.decompose.cuts import strengthen
from scheduler.optimizer.problem import DemandClass
from scheduler.optimizer.transport import routing

SUBSETS_MAX = 5
"""With more demand classes than this, only single classes and all of them together make rows."""


@dataclass(frozen=True)
class Columns:
    """Ways to place one replica of a deployment. A running replica's place comes twice: kept, and one more of it.

    Attributes:
        pool, shape: int64 [column], indices into the fleet's pools and the deployment's shapes.
        accelerators: float64 [column] taken by one replica, over all its nodes.
        start: float64 [column] USD/h of starting it. most: int64 [column]. kept: bool [column], for replicas that run there today.
        kind: int64 [column]; columns of one kind differ in cost alone.
    """

    pool: Ints
    shape: Ints
    accelerators: Floats
    start: Floats
    most: Ints
    kept: Flags
    kind: Ints


@dataclass(frozen=True)
class Family:
    """The same wish after each single loss: sum of coefficients over the kinds that are left >= wish.

    Attributes:
        coefficients: float64 [kind]. domain: int64 [kind], -1 for a kind that no loss takes. share: of the demand, that survives.
    """

    name: str
    coefficients: Floats
    wish: float
    domain: Ints
    share: float = 1.0

    def broken(self, x: Ints) -> list[int]:
        """Domains whose loss this answer does not survive."""
        served = self.coefficients * x
        hit = self.domain >= 0
        if not hit.any():
            return []
        lost = np.bincount(self.domain[hit], weights=served[hit])
        short = served.sum() - lost < self.wish * (1 - 1e-9)
        return [int(domain) for domain in np.flatnonzero(short & (np.bincount(self.domain[hit]) > 0))]


@dataclass
class Block:
    """One deployment's question.

    Attributes:
        rows: float64 [row, kind]; wish: float64 [row]; covering: bool [row].
        families: losses to survive; their rows are added once an answer breaks them.
        rates: float64 [class, kind] tokens/s of one replica, 0 where the class may not be served.
        weights: float64 [class], each of a joint bottleneck that was met.
        needed: int64 [kind], more of it than this helps no row.
        give_up: USD/h put on leaving everything unserved.
    """

    deployment: Deployment
    shapes: Sequence[EngineShape]
    classes: Sequence[DemandClass]
    columns: Columns
    rows: Floats
    wish: Floats
    covering: Flags
    give_up: float
    rates: Floats
    families: list[Family] = field(default_factory=list)
    added: set[tuple[int, int]] = field(default_factory=set)
    weights: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        best = self.rows[self.covering].max(axis=1, initial=0.0)
        needs = self.wish[self.covering]
        self.replicas = max((math.ceil(need / most) for need, most in zip(needs, best, strict=True) if most > EPSILON), default=1)
        self.mixed = len(self.classes) > 1 and not uniform(self.rates)
        count = self.rows.shape[1]
        losses = [family.domain for family in self.families] or [np.zeros(count, np.int64)]
        self.alike, _ = kinds(losses)
        rates, _ = kinds([*self.rows[self.covering], *(family.coefficients for family in self.families), np.zeros(count)])
        levels = [np.zeros(count, np.int64), rates, *({id(d): _relabel(d) for d in losses}.values()), np.arange(count)]
        self.groups = np.array(levels, np.int64).reshape(len(levels), count)
        self._strengthen()

    def _strengthen(self) -> None:
        elastic = np.maximum(self.wish, 0.0)[:, None]
        self.own = len(self.wish)
        rows, wish, covering = self.rows, self.wish, self.covering
        extra = [(family.coefficients, family.wish, family.domain) for family in self.families if (family.domain >= 0).any()]
        self.a, self.e, self.b, self.flags = strengthen(rows, elastic, wish, covering, extra)
        self.g = np.array([self.give_up])
        self.needed = _needed(self.rows, self.wish, self.covering, self.columns, self.deployment.max_replicas)

    def beside(self, columns: Columns) -> Block:
        """The same question with other costs or less room; what has been learned is kept."""
        other = copy(self)
        other.columns = columns
        return other

    def learn(self, x: Ints) -> bool:
        """Add rows that this answer (int64 [kind]) breaks and the question does not know yet; True where there were any.

        Those are losses it does not survive, and, where classes are served at different rates, joint bottlenecks of its routing.
        """
        new = [
            (index, domain)
            for index, family in enumerate(self.families)
            for domain in family.broken(x)
            if (index, domain) not in self.added
        ]
        rows = [np.where(self.families[f].domain == domain, 0.0, self.families[f].coefficients) for f, domain in new]
        wish = [self.families[f].wish for f, _ in new]
        self.added.update(new)
        if not new and self.mixed:
            found = list(self._bottlenecks(x))
            rows, wish = [row for row, _, _ in found], [right for _, right, _ in found]
            self.weights += [weights for _, _, weights in found]
        if not rows:
            return False
        self.rows = np.vstack([self.rows, *rows])
        self.wish = np.concatenate([self.wish, wish])
        self.covering = np.concatenate([self.covering, np.ones(len(rows), np.bool_)])
        self._strengthen()
        return True

    def _bottlenecks(self, x: Ints) -> Iterator[tuple[Floats, float, Floats]]:
        """Rows from the duals of routings that fall short: at weights v by class, replicas must be worth sum(v * demand)."""
        demand = np.array([each.tokens_per_s for each in self.classes])
        scenarios = [(np.ones(len(x), np.bool_), 1.0 + self.deployment.headroom)]
        for family in {(f.name, f.share): f for f in self.families}.values():
            here = family.domain[(x > 0) & (family.domain >= 0)]
            scenarios += [(family.domain != domain, family.share) for domain in np.unique(here)]
        for left, factor in scenarios:
            kinds_left = np.flatnonzero((x > 0) & left)
            edges = {(k, c): float(self.rates[k, j]) for c, j in enumerate(kinds_left) for k in range(len(demand)) if self.rates[k, j] > 0}
            flows, marginal = routing((demand * factor).tolist(), [float(x[j]) for j in kinds_left], edges)
            if sum(flows.values()) < factor * demand.sum() * (1 - 1e-9):
                weights = np.clip(1.0 - np.array(marginal), 0.0, 1.0)
                row = np.where(left, (self.rates * weights[:, None]).max(axis=0), 0.0)
                right = float(weights @ demand) * factor
                if row @ x < right * (1 - 1e-9):
                    yield row, right, weights


def _relabel(labels: Ints) -> Ints:
    _, inverse = np.unique(labels, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64)


def _needed(rows: Floats, wish: Floats, covering: Flags, columns: Columns, most: int) -> Ints:
    """int64 [kind]: how many replicas of a kind could help at all."""
    needed = np.zeros(rows.shape[1], np.int64)
    for row, right, covers in zip(rows, wish, covering, strict=True):
        if covers:
            with np.errstate(divide="ignore"):
                counts = np.where(row > EPSILON, np.ceil(right / np.maximum(row, EPSILON) - 1e-9), 0.0)
            needed = np.maximum(needed, np.minimum(counts, most).astype(np.int64))
    return np.maximum(needed, 1)


def subsets(classes: Sequence[DemandClass], reach: Flags) -> Iterator[tuple[int, ...]]:
    """Sets of demand classes whose joint demand can be the bottleneck.

    Of all sets with the same reachable capacity the largest is the tightest, and a set that falls into parts with no
    capacity in common follows from its parts (max-flow min-cut).

    Args:
        reach: bool [class, column], where each class may be served.
    """
    count = len(classes)
    if count > SUBSETS_MAX:
        yield from ((k,) for k in range(count))
        yield tuple(range(count))
        return
    for size in range(1, count + 1):
        for chosen in combinations(range(count), size):
            joint = reach[list(chosen)].any(axis=0)
            closed = all(k in chosen or (reach[k] & ~joint).any() for k in range(count))
            if closed and _connected(chosen, reach):
                yield chosen


def _connected(chosen: tuple[int, ...], reach: Flags) -> bool:
    left, frontier = set(chosen[1:]), [chosen[0]]
    while frontier:
        here = frontier.pop()
        near = {k for k in left if (reach[k] & reach[here]).any()}
        left -= near
        frontier += near
    return not left


def kinds(parts: Sequence[Floats | Ints]) -> tuple[Ints, Ints]:
    """Group columns with equal features: (kind of each column, one column of each kind)."""
    stacked = np.vstack([np.round(np.asarray(part, np.float64), 9) for part in parts])
    _, first, inverse = np.unique(stacked, axis=1, return_index=True, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64), first.astype(np.int64)


def scaled(rates: Floats) -> Floats:
    """Weights by class that make buckets comparable: 1 where every place serves all classes at one rate, else 1 / best rate."""
    return np.ones(len(rates)) if uniform(rates) else 1.0 / np.maximum(rates.max(axis=1, initial=0.0), EPSILON)


def uniform(rates: Floats) -> bool:
    """True where every place serves all the classes it may serve at one rate."""
    best = rates.max(axis=0, initial=0.0)
    return bool(((rates == 0.0) | (rates == best)).all())
