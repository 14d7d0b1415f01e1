"""A plan that a problem surely has: every deployment placed, one after the other, where it is cheap by a noisy look."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from scheduler.domain.workload import Demand, Deployment, EngineShape, FailureDomain
from simulations.bench.generate.ground import Floats, Ground, Ints, Mask
from simulations.bench.generate.models import Served

NOISE = 0.3
"""Standard deviation of the logarithm of what a look is off by."""

WASTE = 1.25
"""A replica that opens a node counts as this much dearer than one that fits on a taken node."""

PARTS = 3
"""Demand of many replicas is split over about so many pools."""

TRIES = 6
"""Failure domains that are tried before a deployment counts as not placeable."""

EXACT = 1e-9
MANY = 10**9


@dataclass(frozen=True, slots=True)
class Planted:
    """Replicas of one deployment in one pool."""

    deployment: str
    shape: EngineShape
    pool: int
    replicas: int


@dataclass(frozen=True, slots=True)
class _Cells:
    """Every (shape, pool) a part of the demand may use.

    Attributes:
        shape, pool: indices [cell]. need: replicas that would serve the whole part [cell]. cost: noisy price of that [cell].
        domain: what must not be used twice [cell].
    """

    shape: Ints
    pool: Ints
    need: Floats
    cost: Floats
    domain: Ints


@dataclass
class _Job:
    """One deployment that is being placed: replicas by (shape, pool), and the cells of each failure domain."""

    deployment: Deployment
    served: Served
    planted: dict[tuple[int, int], int] = field(default_factory=dict)
    cells_of: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def put(self, ground: Ground, shape: int, pool: int, most: int) -> int:
        """Put up to so many replicas; how many were put."""
        cut = self.served.shapes[shape]
        return ground.take(pool, cut.accelerators_per_node, most, cut.nodes)


class Planter:
    """Places deployments on the ground. Without ``noise`` it is plain cheapest-first: exact prices, and no thought of half-empty nodes."""

    def __init__(self, ground: Ground, noise: np.random.Generator | None) -> None:
        self._ground, self._noise = ground, noise
        self._near: dict[tuple[str, int | None], Mask] = {}
        self._within: dict[tuple[str, ...], Mask] = {}

    def place(self, deployment: Deployment, served: Served, *, endless: bool = False) -> list[Planted] | None:
        """Where its replicas go, taken from the ground; None where its rules leave no place, and then nothing is taken.

        ``endless`` ignores the limits of the offers.
        """
        held = self._ground.limit
        if endless:
            self._ground.limit = np.full_like(held, np.iinfo(np.int32).max)
        try:
            return self._place(deployment, served)
        finally:
            self._ground.limit = held

    def _place(self, deployment: Deployment, served: Served) -> list[Planted] | None:
        job, before = _Job(deployment, served), self._ground.state()
        parts = self._parts(deployment)
        if deployment.rules.spread is not None and len(parts) > 1:
            return None
        for part in parts:
            if not self._put(job, self._cells(job, part)):
                self._ground.restore(before)
                return None
        return [Planted(deployment.id, served.shapes[shape], pool, count) for (shape, pool), count in sorted(job.planted.items())]

    def _parts(self, deployment: Deployment) -> list[tuple[Demand, ...]]:
        """The whole demand where a few places may serve all of it, else every demand alone."""
        common = np.logical_and.reduce([self._places(demand) for demand in deployment.demand])
        return [deployment.demand] if common.sum() > 2 else [(demand,) for demand in deployment.demand]

    def _places(self, demand: Demand) -> Mask:
        near, legal = (demand.origin, demand.latency_ms_max), demand.jurisdictions
        if near not in self._near:
            self._near[near] = self._ground.places_near(*near)
        if legal not in self._within:
            self._within[legal] = self._ground.places_within(legal)
        return self._near[near] & self._within[legal]

    def _cells(self, job: _Job, part: tuple[Demand, ...]) -> _Cells:
        ground, rules = self._ground, job.deployment.rules
        places = np.logical_and.reduce([self._places(demand) for demand in part])
        no_spot = rules.spot_ceiling < 1 or rules.spot_loss_share > 0 or rules.capacity_types == ("on-demand",)
        none = np.zeros(0, np.int64)
        shapes, pools, needs = [none], [none], [np.zeros(0)]
        for index, shape in enumerate(job.served.shapes):
            fitting = ground.pools_of_card.get(shape.accelerator, none)
            per_node = shape.accelerators_per_node
            fit = places[ground.place[fitting]] & (ground.gpus[fitting] >= per_node)
            if shape.nodes > 1:
                fit &= ground.gpus[fitting] == per_node
            if rules.providers:
                fit &= np.isin(ground.provider[fitting], [ground.providers.index(name) for name in rules.providers])
            fit &= ground.room(fitting, per_node, shape.nodes)
            kept = fitting[fit & ~ground.spot[fitting]] if no_spot else fitting[fit]
            need = sum(demand.tokens_per_s * (1 + job.deployment.headroom) / shape.rate(demand.bucket) for demand in part)
            shapes.append(np.full(len(kept), index))
            pools.append(kept)
            needs.append(np.full(len(kept), need))
        return self._priced(job, np.concatenate(shapes), np.concatenate(pools), np.concatenate(needs))

    def _priced(self, job: _Job, shape: Ints, pool: Ints, need: Floats) -> _Cells:
        ground, rules = self._ground, job.deployment.rules
        gpus = np.array([each.accelerators_per_node * each.nodes for each in job.served.shapes])[shape]
        cost = ground.price[pool] * gpus * np.ceil(need - EXACT)
        if self._noise is not None:
            cost *= np.where(ground.free[pool] >= gpus, 1.0, WASTE) * np.exp(NOISE * self._noise.standard_normal(len(pool)))
        by_region = rules.survivability is not None and rules.survivability.domain is FailureDomain.REGION and rules.spread is None
        return _Cells(shape, pool, need, cost, ground.place[pool] if by_region else ground.provider[pool])

    def _put(self, job: _Job, cells: _Cells) -> bool:
        """Each fraction of the part in a failure domain of its own; the cheapest that has room."""
        used: set[int] = set()
        for fraction in fractions(job.deployment):
            for _ in range(TRIES):
                left = cells.cost.copy()
                left[np.isin(cells.domain, list(used))] = np.inf
                if not len(left) or np.isinf(left.min()):
                    return False
                domain = None if fraction == 1.0 else int(cells.domain[int(left.argmin())])
                before, planted = self._ground.state(), dict(job.planted)
                if domain is not None:
                    used.add(domain)
                if self._serve(job, cells, fraction, domain):
                    break
                self._ground.restore(before)
                job.planted = planted
            else:
                return False
        return self._even(job)

    def _serve(self, job: _Job, cells: _Cells, fraction: float, domain: int | None) -> bool:
        """Serve a fraction of the part inside one domain, or anywhere; False where there is too little room."""
        inside = np.arange(len(cells.cost)) if domain is None else np.flatnonzero(cells.domain == domain)
        order = inside[np.argsort(cells.cost[inside], kind="stable")]
        left = fraction
        chunk = max(2, math.ceil(fraction * float(cells.need[order[0]]) / PARTS))
        # Once around in parts, so that many replicas are spread; then whatever fits.
        for most, cell in [(chunk, cell) for cell in order] + [(MANY, cell) for cell in order]:
            shape, pool, need = int(cells.shape[cell]), int(cells.pool[cell]), float(cells.need[cell])
            put = job.put(self._ground, shape, pool, min(most, math.ceil(left * need - EXACT)))
            if put:
                job.planted[shape, pool] = job.planted.get((shape, pool), 0) + put
                job.cells_of.setdefault(int(cells.domain[cell]), []).append((shape, pool))
                left -= put / need
            if left <= EXACT:
                return True
        return False

    def _even(self, job: _Job) -> bool:
        """Add replicas to the smaller domains until none holds more than the spread allows."""
        spread = job.deployment.rules.spread
        if spread is None:
            return True
        held = {domain: sum(job.planted.get(cell, 0) for cell in set(cells)) for domain, cells in job.cells_of.items()}
        held = {domain: count for domain, count in held.items() if count}
        while max(held.values()) > spread.max_share * sum(held.values()):
            least = min(held, key=lambda domain: (held[domain], domain))
            shape, pool = next(cell for cell in job.cells_of[least] if cell in job.planted)
            if not job.put(self._ground, shape, pool, 1):
                return False
            job.planted[shape, pool] += 1
            held[least] += 1
        return True


def fractions(deployment: Deployment) -> list[float]:
    """What share of the demand with headroom goes to each of two or three failure domains, so that any loss is survived."""
    survive, spread = deployment.rules.survivability, deployment.rules.spread
    if survive is None and spread is None:
        return [1.0]
    share = survive.share / (1 + deployment.headroom) if survive else 0.0
    domains = 3 if spread is not None or share > 0.75 else 2
    return [max(1 / domains, share / (domains - 1))] * domains
