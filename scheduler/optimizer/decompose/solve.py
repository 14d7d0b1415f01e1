"""A fleet of any size: bound by column generation, whole nodes by merging and moving, and everything kept for the next time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from scheduler.domain.snapshot import Snapshot
from scheduler.domain.units import MICRO
from scheduler.optimizer.decompose.arrays import Floats
from scheduler.optimizer.decompose.assemble import Assembly
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.certificate import Certificate, certificate
from scheduler.optimizer.decompose.fleet import FleetArrays, fleet_arrays
from scheduler.optimizer.decompose.improve import Budget, construct, improve
from scheduler.optimizer.decompose.master import Known, Scarcity, ask, generate
from scheduler.optimizer.decompose.price import Answer
from scheduler.optimizer.problem import Option, Problem, running_replicas
from scheduler.optimizer.search import Solution, SolveSettings
from scheduler.optimizer.transport import routing

BOUND_SHARE = 0.45
"""Of the time limit, most that the bound may take."""
LAST_NODES = 20_000
SAFETY = 1e-9
"""Relative; floating-point sums of the bound are off by less."""


@dataclass(frozen=True)
class Decomposed:
    """A solved fleet, with what the next solve starts from.

    Attributes:
        bounds: float64 [block] USD/h, each block's least cost at the prices. bound: USD/h of the whole. times_s: by phase.
    """

    fleet: FleetArrays
    known: Known
    scarcity: Scarcity
    assembly: Assembly
    bounds: Floats
    bound: float
    times_s: dict[str, float]

    @property
    def gap(self) -> float:
        """(cost - bound) / cost."""
        cost = self.assembly.cost()
        return (cost - self.bound) / cost if cost > 0 else 0.0

    @property
    def complete(self) -> bool:
        """True where nobody's wish is given up, not even in part."""
        return all(answer is not None and answer.given_up == 0 for answer in self.assembly.answers)

    @property
    def bound_of_cost(self) -> float:
        """USD/h that any fleet costs which leaves no more unserved than this one, at the prices put on that."""
        given_up = sum(
            block.give_up * answer.given_up
            for block, answer in zip(self.fleet.blocks, self.assembly.answers, strict=True)
            if answer is not None
        )
        return max(0.0, self.bound - given_up)

    @property
    def prices(self) -> Floats:
        """float64 [pool]: USD per accelerator and hour, scarcity included."""
        return self.scarcity.prices(self.fleet)

    @property
    def certificate(self) -> Certificate:
        return certificate(self.fleet, self.scarcity, self.bound_of_cost)


def decompose(snapshot: Snapshot, settings: SolveSettings) -> Decomposed:
    """Solve from nothing."""
    phases = _Phases(perf_counter)
    fleet = fleet_arrays(snapshot)
    known = Known.of(fleet)
    phases.end("build")
    early = construct(fleet, fleet.price / fleet.size)
    for index, answer in enumerate(early.answers):
        if answer is not None:
            known.add(index, answer)
    phases.end("start")
    late_s = phases.began + BOUND_SHARE * settings.time_limit_s
    found = generate(fleet, known, Scarcity.none(fleet), lambda: perf_counter() > late_s, gap=min(2e-4, settings.relative_gap))
    prices = found.scarcity.prices(fleet)
    bounds, _ = ask(fleet, prices, known, LAST_NODES)
    bound = max(0.0, max(found.bound, float(bounds.sum()) - found.scarcity.held(fleet)) * (1 - SAFETY))
    phases.end("bound")
    first = min(early, construct(fleet, prices, found.mix), key=Assembly.cost)
    phases.end("construct")
    budget = Budget(perf_counter, phases.began + settings.time_limit_s, settings.relative_gap, settings.rounds)
    assembly = improve(fleet, known, prices, bound, first, budget, settings.seed)
    phases.end("improve")
    return Decomposed(fleet, known, found.scarcity, assembly, bounds, min(bound, assembly.cost()), phases.times_s)


class _Phases:
    """A stop watch with names."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self.times_s = clock, dict[str, float]()
        self.began = self._last = clock()

    def end(self, name: str) -> None:
        now = self._clock()
        self.times_s[name] = now - self._last
        self._last = now


def as_solution(solved: Decomposed) -> Solution:
    """The answer in the terms of the whole problem."""
    fleet, assembly = solved.fleet, solved.assembly
    running = running_replicas(fleet.snapshot)
    options: list[Option] = []
    replicas: dict[tuple[str, str, str], int] = {}
    routed: dict[tuple[str, int, tuple[str, str, str]], float] = {}
    missed: dict[tuple[str, str], float] = {}
    for block, answer in zip(fleet.blocks, assembly.answers, strict=True):
        assert answer is not None
        placed = _placed(fleet, block, answer, running)
        options += [option for option, _ in placed]
        replicas |= {option.key: count for option, count in placed if count}
        flows, short = _routes(block, placed)
        routed |= flows
        missed |= short
        if answer.given_up > 0 and not short:
            missed[block.deployment.id, "of its rules"] = answer.given_up * block.deployment.tokens_per_s
    nodes = {fleet.pools[p].id: int(count) for p, count in enumerate(assembly.nodes()) if count > 0}
    problem = Problem(fleet.snapshot, fleet.pools, tuple(options), ())
    gap = (assembly.cost() - solved.bound) / max(assembly.cost(), 1e-9)
    give_up = {block.deployment.id: block.give_up for block in fleet.blocks}
    return Solution(
        problem, replicas, nodes, routed, missed, assembly.cost(), solved.bound_of_cost, "optimal" if gap <= 1e-6 else "feasible", give_up
    )


def _placed(fleet: FleetArrays, block: Block, answer: Answer, running: dict[tuple[str, str, str], int]) -> list[tuple[Option, int]]:
    counts: dict[tuple[int, int], int] = {}
    start: dict[tuple[int, int], float] = {}
    for column, count in zip(answer.columns, answer.counts, strict=True):
        place = int(block.columns.pool[column]), int(block.columns.shape[column])
        counts[place] = counts.get(place, 0) + int(count)
        start[place] = max(start.get(place, 0.0), float(block.columns.start[column]))
    found = []
    for (pool, shape), count in sorted(counts.items()):
        key = (block.deployment.id, fleet.pools[pool].id, block.shapes[shape].id)
        cost = round(start[pool, shape] * MICRO)
        found.append((Option(block.deployment, fleet.pools[pool], block.shapes[shape], running.get(key, 0), 0, count, cost), count))
    return found


def _routes(
    block: Block, placed: list[tuple[Option, int]]
) -> tuple[dict[tuple[str, int, tuple[str, str, str]], float], dict[tuple[str, str], float]]:
    """Traffic of every demand class over what was placed, and what is left unserved."""
    name, classes = block.deployment.id, block.classes
    wanted = [demand.tokens_per_s * (1 + block.deployment.headroom) for demand in classes]
    rates = {
        (row, column): option.shape.rate(demand.bucket)
        for row, demand in enumerate(classes)
        for column, (option, _) in enumerate(placed)
        if demand.allows(option.pool) and option.shape.rate(demand.bucket) > 0
    }
    if len(classes) == 1:
        total = sum(count * rates.get((0, column), 0.0) for column, (_, count) in enumerate(placed))
        share = min(1.0, wanted[0] / total) if total > 0 else 0.0
        flows = {(0, c): share * count * rates[0, c] for c, (_, count) in enumerate(placed) if (0, c) in rates}
    else:
        flows, _ = routing(wanted, [float(count) for _, count in placed], rates)
    served = [sum(flow for (row, _), flow in flows.items() if row == k) for k in range(len(classes))]
    routed = {(name, row, placed[column][0].key): flow for (row, column), flow in flows.items() if flow > 0}
    short = {
        (name, f"demand {k}"): want - have for k, (want, have) in enumerate(zip(wanted, served, strict=True)) if want - have > 1e-6 * want
    }
    return routed, short


def scarce(solved: Decomposed) -> list[tuple[str, float]]:
    """(limit, USD/h that one node or unit more is worth at the bound's prices), dearest first."""
    fleet = solved.fleet
    pools = [(f"availability {fleet.pools[p].offer.id}", float(value)) for p, value in enumerate(solved.scarcity.pool) if value > 1e-6]
    limits = [(limit.id, float(value)) for limit, value in zip(fleet.limits, solved.scarcity.limit, strict=True) if value > 1e-6]
    return sorted(pools + limits, key=lambda pair: -pair[1])
