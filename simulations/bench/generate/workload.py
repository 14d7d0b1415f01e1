"""Deployments: demand of the size and shape of real traffic, with rules such as people set. The rules are drawn."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.domain.workload import Demand, Deployment, FailureDomain, PlacementRules, Slo, Spread, Survivability
from simulations.bench.generate.models import Served
from simulations.bench.generate.places import ORIGINS, Origin
from simulations.bench.generate.profile import Profile
from simulations.bench.generate.sources import Sources

RESIDENT, NEAR, ON_DEMAND_ONLY, SPOT_CEILING, SPOT_LOSS, SPREAD, SOME_CLOUDS = 0.28, 0.35, 0.08, 0.25, 0.12, 0.04, 0.06
"""Shares of the deployments with such a rule."""

NEAR_MS = (90, 120, 150, 200, 250)
SHARES = (0.5, 0.5, 0.6, 0.7, 0.8, 1.0)
HEADROOM = (0.1, 0.15, 0.2, 0.3)
PRIORITIES = (50, 100, 100, 100, 200)
SMALLEST, LARGEST = 0.25, 8.0
TENANTS = 40
FEW_CLOUDS = 4
PLAIN_AFTER, BARE_AFTER = 4, 9
"""Drafts that could not be placed before all rules but survivability are left out, and before that is too."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A deployment to be: its id and what it must survive."""

    id: str
    loss: FailureDomain | None


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who uses a fleet: models, real clients' rates, the hour at which the peak is looked at, and the clouds there are."""

    models: tuple[Served, ...]
    sources: Sources
    profile: Profile
    utc_hour: int
    clouds: tuple[str, ...]

    def origin_weight(self, origin: Origin) -> float:
        """Share of users there, by how busy their hour is."""
        return origin.weight * self.sources.hours[(self.utc_hour + origin.utc_h) % 24]


def losses(profile: Profile, deployments: int, draw: random.Random) -> list[FailureDomain | None]:
    """What each deployment must survive; the profile's shares are kept exactly, whatever the size."""
    provider, region = (math.ceil(share * deployments) for share in (profile.survive_provider, profile.survive_region))
    wanted: list[FailureDomain | None] = [*[FailureDomain.PROVIDER] * provider, *[FailureDomain.REGION] * region, *[None] * deployments]
    found = wanted[:deployments]
    draw.shuffle(found)
    return found


def draft(crowd: Crowd, slot: Slot, attempt: int, draw: random.Random) -> tuple[Deployment, Served]:
    """One deployment; the more attempts failed to place, the fewer rules it has."""
    kind = draw.choice(crowd.models)
    strict = attempt < PLAIN_AFTER
    origins = _origins(crowd, draw)
    resident = strict and draw.random() < RESIDENT
    near = draw.choice(NEAR_MS) if strict and draw.random() < NEAR else None
    headroom = draw.choice(HEADROOM)
    replicas = _replicas(crowd, draw)
    demand = _demand(kind, crowd, origins, replicas / (1 + headroom), (resident, near), draw)
    survive = Survivability(slot.loss, draw.choice(SHARES)) if slot.loss and attempt < BARE_AFTER else None
    rules = _rules(crowd, draw) if strict else PlacementRules()
    return Deployment(
        id=slot.id,
        model=kind.model.id,
        demand=demand,
        engine=kind.engine,
        tenant=f"tenant-{draw.randint(1, TENANTS):02d}",
        slo=Slo(kind.ttft_ms, kind.tpot_ms),
        headroom=headroom,
        min_replicas=1,
        max_replicas=round(6 * replicas) + 8,
        priority=draw.choice(PRIORITIES),
        rules=replace(rules, survivability=survive),
    ), kind


def _replicas(crowd: Crowd, draw: random.Random) -> float:
    """Size of the demand in replicas of a middling shape: a real client's rate over the median client's, its spread compressed."""
    clients = crowd.sources.clients
    rate = draw.choice(clients) / statistics.median(clients)
    return float(crowd.profile.replicas * min(LARGEST, max(SMALLEST, rate**crowd.profile.growth)))


def _origins(crowd: Crowd, draw: random.Random) -> list[Origin]:
    """One to four, home markets first."""
    home = draw.choices(ORIGINS, [origin.weight for origin in ORIGINS])[0]
    others = [origin for origin in ORIGINS if origin is not home]
    return [home, *draw.sample(others, draw.choice((0, 0, 1, 1, 2, 3)))]


def _demand(
    kind: Served, crowd: Crowd, origins: Sequence[Origin], replicas: float, promise: tuple[bool, int | None], draw: random.Random
) -> tuple[Demand, ...]:
    """Tokens per second by origin and bucket, together so many replicas of the model's middling shape."""
    resident, near = promise
    weights = [crowd.origin_weight(origin) * (3 if index == 0 else 1) for index, origin in enumerate(origins)]
    split = [draw.uniform(0.3, 0.7), 1.0] if len(kind.buckets) > 1 else [1.0]
    shares = [split[0], 1 - split[0]] if len(kind.buckets) > 1 else [1.0]
    found = []
    for origin, weight in zip(origins, weights, strict=True):
        for bucket, share in zip(kind.buckets, shares, strict=True):
            middling = statistics.median(shape.rate(bucket) for shape in kind.shapes)
            rate = round(replicas * share * weight / sum(weights) * middling, 1)
            found.append(Demand(origin.name, max(0.1, rate), bucket, origin.residency if resident else (), near))
    return tuple(found)


def _rules(crowd: Crowd, draw: random.Random) -> PlacementRules:
    some: list[str] = []
    if len(crowd.clouds) > FEW_CLOUDS and draw.random() < SOME_CLOUDS:
        some = sorted(draw.sample(crowd.clouds, max(FEW_CLOUDS, round(0.6 * len(crowd.clouds)))))
    on_demand = draw.random() < ON_DEMAND_ONLY
    return PlacementRules(
        providers=tuple(some),
        capacity_types=("on-demand",) if on_demand else (),
        spot_ceiling=draw.choice((0.0, 0.3, 0.5, 0.5)) if not on_demand and draw.random() < SPOT_CEILING else 1.0,
        spot_loss_share=draw.choice((0.5, 0.7)) if not on_demand and draw.random() < SPOT_LOSS else 0.0,
        spread=Spread(FailureDomain.PROVIDER, draw.choice((0.5, 0.6, 0.7))) if draw.random() < SPREAD else None,
    )
