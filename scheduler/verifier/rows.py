"""One deployment's own problem as integer rows and columns: the least cost of x >= 0 with A x >= b.

Rows are necessary conditions, so any plan that keeps the deployment's promises satisfies them all:

- *cover*: for a set S of demand classes and a loss scenario, sum_o x_o max_{k in S, o may serve k} y_k rate_ok >= factor *
  sum_{k in S} y_k demand_k, where lost options count nothing. It follows from the duality of flows (with gains): for any
  weights y >= 0 no routing serves more than the left side.
- *count*: at least ``min_replicas``, at most ``max_replicas``, one in every pinned cluster.
- *share*: spot ceiling and spread, sum (share + tolerance - [o in group]) x_o >= 0.
- *budget*: -sum price * node share * x_o >= -budget.

Everything is an integer: coefficients are rounded up and right sides down, which only makes rows weaker.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from scheduler.verifier.claims import Certificate
from scheduler.verifier.options import Derived, Option
from scheduler.verifier.promises import TOLERANCE
from scheduler.verifier.reading import exact
from scheduler.verifier.world import SPOT, Deployment

SCALE = 1 << 24
MOST_SUBSETS_OF = 5
"""Up to so many demand classes all their subsets become rows; beyond it, single classes and the set of all."""

NO_LOSS = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A kind of replica that no row can tell from others of its kind; ``cost`` is the least among them, in micro-USD per hour."""

    cost: int
    most: int
    coefficients: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """min cost x s.t. coefficients x >= needs, x >= 0 integer, sum x <= most.

    ``pure`` rows come first and have no negative coefficient; ``pure`` is their number.
    """

    columns: tuple[Column, ...]
    needs: tuple[int, ...]
    pure: int
    most: int


@dataclass(frozen=True, slots=True)
class _Kind:
    """What rows can tell about an option: its rate by class in units of ``SCALE``, and the groups it belongs to."""

    rates: tuple[int, ...]
    groups: frozenset[str]
    spent: int


def rows_of(derived: Derived, deployment: Deployment, certificate: Certificate, unserved: Fraction, short: bool) -> Rows:
    """The rows and columns of a deployment, with accelerators priced by the pools' multipliers.

    Args:
        certificate: its pools price an accelerator and hour, absent is 0; its weights add rows.
        unserved: tokens/s that the plan declares unmet; the bound then is one on plans that serve as much.
        short: True where the plan declares any shortage: scenarios, pins and the least count are not promised then.
    """
    classes, options, first = _classes(derived, deployment)
    units = _units(classes, options)
    found: dict[_Kind, list[tuple[int, int]]] = defaultdict(list)
    useful: dict[_Kind, int] = {}
    for option, rates in options:
        kind = _kind(deployment, option, rated := tuple(_up(rate, unit) for rate, unit in zip(rates, units, strict=True)))
        price = certificate.pools.get(option.pool.id, 0) * option.shape.accelerators
        # Replicas that run cost no start: they are a column of their own. No pool holds more than its nodes have room for.
        fits = option.pool.most // option.shape.nodes * (option.pool.offer.kind.accelerators // option.shape.per_node)
        kept = min(option.running, option.most, fits)
        fresh = _Kind(rated, kind.groups | _launched(deployment, option), kind.spent)
        found[kind].append((price, kept))
        found[fresh].append((price + option.start, min(option.most, fits - kept)))
        useful[kind] = useful[fresh] = _useful(deployment, classes, rates)
    columns = [(kind, column) for kind, each in found.items() for column in _cheapest(each, useful[kind])]
    built = _Builder([kind for kind, _ in columns])
    weights = [[exact(given.get(index, 0.0)) for index in first] for given in certificate.weights.get(deployment.id, ())]
    _cover(built, deployment, _Wish(classes, units, weights, unserved), short)
    _counts(built, deployment, short)
    _shares(built, deployment)
    return built.rows([column for _, column in columns], deployment.max_replicas)


def _useful(deployment: Deployment, classes: list[Fraction], rates: list[float]) -> int:
    """More replicas of a kind than this help no covering row."""
    slowest = min((rate for rate in rates if rate > 0), default=0.0)
    whole = float(sum(classes)) * (1 + deployment.headroom)
    return max(1, deployment.min_replicas, math.ceil(whole / slowest * (1 + 1e-9))) if slowest else max(1, deployment.min_replicas)


def _cheapest(columns: list[tuple[int, int]], useful: int) -> list[tuple[int, int]]:
    """(cost, most) of a kind, cheapest first, until they hold what is useful; the last one stands for all dearer ones, without limit."""
    kept: list[tuple[int, int]] = []
    room = 0
    for cost, most in sorted(columns):
        if most > 0 and room < useful:
            kept.append((cost, most))
            room += most
    return [*kept[:-1], (kept[-1][0], NO_LIMIT)] if kept and room >= useful else kept


NO_LIMIT = 1_000_000


def _classes(derived: Derived, deployment: Deployment) -> tuple[list[Fraction], list[tuple[Option, list[float]]], list[int]]:
    """Demand that may use the same options at the same rates, for every option its rate by class (0 where not allowed), and the
    index of each class's first demand."""
    options = derived.options(deployment)
    pools = {option.pool.id: option.pool for option in options}
    merged: dict[tuple[tuple[bool, ...], str], Fraction] = defaultdict(Fraction)
    first: dict[tuple[tuple[bool, ...], str], int] = {}
    for index, demand in enumerate(deployment.demand):
        where = tuple(derived.serves(deployment, pool, index) for pool in pools.values())
        if demand.tokens_per_s > 0:
            merged[where, demand.bucket] += exact(demand.tokens_per_s)
            first.setdefault((where, demand.bucket), index)
    position = {pool: index for index, pool in enumerate(pools)}
    rated = [
        (option, [option.shape.rate(bucket) if where[position[option.pool.id]] else 0.0 for where, bucket in merged]) for option in options
    ]
    return list(merged.values()), rated, list(first.values())


def _units(classes: list[Fraction], options: list[tuple[Option, list[float]]]) -> list[Fraction]:
    """The weight 1/y of every class: one for all where no option's rates differ, else its best rate."""
    best = [max((rates[k] for _, rates in options), default=0.0) for k in range(len(classes))]
    if all(len({rate for rate in rates if rate > 0}) <= 1 for _, rates in options):
        best = [max(best, default=0.0)] * len(classes)
    return [exact(each) if each > 0 else Fraction(1) for each in best]


def _up(rate: float, unit: Fraction) -> int:
    return math.ceil(SCALE * exact(rate) / unit) if rate > 0 else 0


def _kind(deployment: Deployment, option: Option, rates: tuple[int, ...]) -> _Kind:
    rules, pool = deployment.rules, option.pool
    groups = {f"loss {pool.offer.domain(rules.survivability[0])}"} if rules.survivability else set()
    if rules.spot_loss_share > 0 and pool.offer.spot_group:
        groups.add(f"dry {pool.offer.spot_group}")
    if rules.spread is not None and rules.spread[1] < 1:
        groups.add(f"spread {pool.offer.domain(rules.spread[0])}")
    if rules.spot_ceiling < 1 and pool.offer.capacity_type == SPOT:
        groups.add("spot")
    if pool.cluster.id in rules.pins:
        groups.add(f"pin {pool.cluster.id}")
    spent = pool.price * option.shape.accelerators // pool.offer.kind.accelerators if deployment.budget is not None else 0
    return _Kind(rates, frozenset(groups), spent)


def _launched(deployment: Deployment, option: Option) -> frozenset[str]:
    """The group that a replica still to be started there falls with."""
    group = option.pool.offer.launch_group
    return frozenset({f"launch {group}"} if group and deployment.rules.stockout_share > 0 else ())


class _Builder:
    """Collects rows; of rows with equal coefficients only the one that needs most is kept."""

    def __init__(self, kinds: list[_Kind]) -> None:
        self.kinds = kinds
        self.groups = sorted({group for kind in self.kinds for group in kind.groups})
        self._needs: dict[tuple[int, ...], int] = {}

    def add(self, coefficients: tuple[int, ...], need: int) -> None:
        self._needs[coefficients] = max(need, self._needs.get(coefficients, need))

    def rows(self, prices: list[tuple[int, int]], most: int) -> Rows:
        wanted = [(a, need) for a, need in self._needs.items() if need > 0 or min(a, default=0) < 0]
        # No integer count of replicas gains by a coefficient above the whole need; relaxations do.
        pure = [(tuple(min(each, need) for each in a), need) for a, need in wanted if min(a, default=0) >= 0]
        mixed = [row for row in wanted if min(row[0], default=0) < 0]
        ordered = pure + mixed
        columns = tuple(Column(cost, each, tuple(a[i] for a, _ in ordered)) for i, (cost, each) in enumerate(prices))
        return Rows(columns, tuple(need for _, need in ordered), len(pure), most)


@dataclass(frozen=True, slots=True)
class _Wish:
    """Demand by class, the unit of each class's rates, weights of joint bottlenecks to look at, and what is unmet by declaration."""

    amounts: list[Fraction]
    units: list[Fraction]
    weights: list[list[Fraction]]
    unserved: Fraction

    def bottlenecks(self) -> list[list[Fraction]]:
        """For each row the worth of a class's demand in its own unit, at most 1: sets of classes, then the weights given."""
        every = range(len(self.amounts))
        if len(self.amounts) <= MOST_SUBSETS_OF:
            subsets = [chosen for size in every for chosen in combinations(every, size + 1)]
        else:
            subsets = [*((k,) for k in every), tuple(every)]
        found = [[Fraction(int(k in chosen)) for k in every] for chosen in subsets]
        for given in self.weights:
            worth = [weight * unit for weight, unit in zip(given, self.units, strict=True)]
            most = max(worth, default=Fraction(0))
            found += [[each / most for each in worth]] if most > 0 else []
        return found


def _cover(built: _Builder, deployment: Deployment, wish: _Wish, short: bool) -> None:
    rules = deployment.rules
    scenarios = [(NO_LOSS, 1 + exact(deployment.headroom))]
    if not short:
        scenarios += [(group, exact(rules.survivability[1])) for group in built.groups if rules.survivability and group[:5] == "loss "]
        scenarios += [(group, exact(rules.spot_loss_share)) for group in built.groups if group[:4] == "dry "]
        scenarios += [(group, exact(rules.stockout_share)) for group in built.groups if group[:7] == "launch "]
    slack = 1 - TOLERANCE
    for worth in wish.bottlenecks():
        row = [
            max((math.ceil(each * rate) for each, rate in zip(worth, kind.rates, strict=True) if each), default=0) for kind in built.kinds
        ]
        whole = SCALE * sum((each * amount / unit for each, amount, unit in zip(worth, wish.amounts, wish.units, strict=True)), Fraction(0))
        # Unmet demand may lie in any class: it is taken off where it weighs most.
        less = SCALE * wish.unserved * max((each / unit for each, unit in zip(worth, wish.units, strict=True)), default=Fraction(0))
        for group, factor in scenarios:
            left = tuple(0 if group in kind.groups else each for each, kind in zip(row, built.kinds, strict=True))
            built.add(left, math.floor(factor * slack * whole - less))


def _counts(built: _Builder, deployment: Deployment, short: bool) -> None:
    built.add(tuple(-1 for _ in built.kinds), -deployment.max_replicas)
    if not short:
        built.add(tuple(1 for _ in built.kinds), deployment.min_replicas)
        for cluster in deployment.rules.pins:
            built.add(tuple(int(f"pin {cluster}" in kind.groups) for kind in built.kinds), 1)


def _shares(built: _Builder, deployment: Deployment) -> None:
    rules = deployment.rules
    limits = [("spot", rules.spot_ceiling)] if "spot" in built.groups else []
    limits += [(group, rules.spread[1]) for group in built.groups if rules.spread is not None and group[:7] == "spread "]
    for group, share in limits:
        room = exact(share) + TOLERANCE
        built.add(tuple(math.ceil(SCALE * (room - (group in kind.groups))) for kind in built.kinds), 0)
    if deployment.budget is not None:
        built.add(tuple(-kind.spent for kind in built.kinds), -math.ceil(deployment.budget * (1 + TOLERANCE)))
