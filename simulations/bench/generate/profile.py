"""What is asked for: the size of a problem and how hard it is to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Profile:
    """How hard a problem is.

    Attributes:
        replicas: median size of a deployment's demand, in replicas of a middling shape of it; growth: exponent on its traffic.
        survive_provider, survive_region: shares of the deployments that must survive such a loss.
        attractive: GPUs that the cheaper half of a card's offers has, as a multiple of the need; fallback: that the dearer half has.
        tight: share of the planted offers that have no more than the planted plan takes.
    """

    name: str
    replicas: float
    growth: float
    survive_provider: float
    survive_region: float
    attractive: float
    fallback: float
    tight: float


PROFILES = {
    "hard": Profile("hard", 1.15, 0.25, 0.36, 0.12, 1.3, 0.35, 0.6),
    "easy": Profile("easy", 20.0, 0.25, 0.2, 0.1, 1.6, 1.0, 0.2),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate.

    Attributes:
        data: folder of the research data, None for what ships with headrace.
        fresh: True for an empty fleet, else most of the planted plan runs already.
        gangs: share of the models whose whole-node shapes span two nodes instead.
    """

    clouds: int
    clusters: int
    deployments: int
    seed: int
    profile: Profile
    data: Path | None = None
    fresh: bool = False
    gangs: float = 0.0
