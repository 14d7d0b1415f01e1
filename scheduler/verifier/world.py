"""What a problem document says, as values. Names follow the document; money is integer micro-USD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

SPOT = "spot"
_EU = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"
EU_MEMBERS = frozenset(_EU[start : start + 2] for start in range(0, len(_EU), 3))
"""The 27 members since 2020-02-01, as ISO 3166-1 alpha-2 codes."""


def within(jurisdiction: str, allowed: tuple[str, ...]) -> bool:
    """True where the jurisdiction is one of the allowed; an empty list allows every place, ``EU`` stands for its members."""
    return not allowed or jurisdiction in allowed or ("EU" in allowed and jurisdiction in EU_MEMBERS)


@dataclass(frozen=True, slots=True)
class InstanceType:
    provider: str
    name: str
    accelerator: str
    accelerators: int
    vcpus: int
    family: str


@dataclass(frozen=True, slots=True)
class Offer:
    """An instance type in a zone under a capacity type.

    Attributes:
        price: micro-USD per node and hour. cap: most further launches, None where nothing is known.
    """

    kind: InstanceType
    account: str
    region: str
    zone: str
    capacity_type: str
    price: int
    interruptions_per_h: float = 0.0
    launch_s: int = 180
    cap: int | None = None

    @property
    def id(self) -> str:
        return "/".join((self.kind.provider, self.account, self.region, self.zone, self.kind.name, self.capacity_type))

    @property
    def place(self) -> str:
        return f"{self.kind.provider}:{self.region}"

    def domain(self, kind: str) -> str:
        """The failure domain it falls with: provider, provider:region or provider:region:zone."""
        parts = {"provider": 1, "region": 2, "zone": 3}[kind]
        return ":".join((self.kind.provider, self.region, self.zone)[:parts])

    @property
    def launch_group(self) -> str:
        """What turns out not to launch together; "" for capacity that is held for us."""
        return f"{self.place}:{self.kind.accelerator}" if self.capacity_type in ("on-demand", SPOT) else ""

    @property
    def spot_group(self) -> str:
        """What is lost together when spot dries up; "" for capacity that stays."""
        return f"{self.place}:{self.kind.accelerator}" if self.capacity_type == SPOT else ""


@dataclass(frozen=True, slots=True)
class Quota:
    provider: str
    account: str
    region: str
    family: str
    unit: str
    limit: int
    capacity_types: tuple[str, ...]
    used: int

    @property
    def id(self) -> str:
        return "/".join((self.provider, self.account, self.region or "*", self.family, "+".join(sorted(self.capacity_types))))

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)

    def units(self, offer: Offer) -> int:
        """What one node of this offer draws, 0 where the quota does not cover it."""
        kind = offer.kind
        same = (kind.provider, offer.account, kind.family) == (self.provider, self.account, self.family)
        if not same or self.region not in ("", offer.region) or offer.capacity_type not in self.capacity_types:
            return 0
        return {"vcpu": kind.vcpus, "gpu": kind.accelerators, "instance": 1}[self.unit]


@dataclass(frozen=True, slots=True)
class Reservation:
    id: str
    provider: str
    account: str
    region: str
    zone: str
    type_name: str
    count: int
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cluster:
    id: str
    provider: str
    region: str
    jurisdiction: str
    account: str
    zones: tuple[str, ...]
    schedulability: str
    state: str

    @property
    def open(self) -> bool:
        return self.schedulability == "open" and self.state in ("ready", "joining")

    def holds(self, offer: Offer) -> bool:
        """True where this cluster may have nodes of the offer."""
        same = (offer.kind.provider, offer.account, offer.region) == (self.provider, self.account, self.region)
        return same and (not self.zones or offer.zone in self.zones)


@dataclass(frozen=True, slots=True)
class Node:
    id: str
    cluster: str
    offer_id: str
    kind: InstanceType
    zone: str
    capacity_type: str
    price: int
    state: str

    @property
    def pool(self) -> str:
        return f"{self.cluster}|{self.offer_id}"


@dataclass(frozen=True, slots=True)
class Replica:
    deployment: str
    shape: str
    nodes: tuple[str, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Shape:
    id: str
    model: str
    engine: str
    accelerator: str
    per_node: int
    nodes: int
    rates: Mapping[str, float]
    start_s: int

    @property
    def accelerators(self) -> int:
        return self.per_node * self.nodes

    def rate(self, bucket: str) -> float:
        """Output tokens per second of one replica; 0 where it cannot serve the bucket."""
        return self.rates.get(bucket, self.rates.get("all", 0.0))


@dataclass(frozen=True, slots=True)
class Demand:
    origin: str
    tokens_per_s: float
    bucket: str
    jurisdictions: tuple[str, ...]
    latency_ms_max: int | None


@dataclass(frozen=True, slots=True)
class Rules:
    providers: tuple[str, ...]
    regions: tuple[str, ...]
    jurisdictions: tuple[str, ...]
    clusters: tuple[str, ...]
    accelerators: tuple[str, ...]
    capacity_types: tuple[str, ...]
    spot_ceiling: float
    spot_loss_share: float
    stockout_share: float
    survivability: tuple[str, float] | None
    spread: tuple[str, float] | None
    pins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deployment:
    id: str
    model: str
    engine: str
    demand: tuple[Demand, ...]
    headroom: float
    min_replicas: int
    max_replicas: int
    best_effort: bool
    rules: Rules
    budget: int | None


@dataclass(frozen=True)
class World:
    """The whole problem document.

    Attributes:
        weights_gib: size of a model's weights, by model. egress: micro-USD per GB by (from, to). latency: ms by (origin, place).
    """

    objective: str
    amortisation_h: float
    taken_at: datetime
    offers: tuple[Offer, ...]
    quotas: tuple[Quota, ...]
    reservations: tuple[Reservation, ...]
    clusters: tuple[Cluster, ...]
    nodes: tuple[Node, ...]
    replicas: tuple[Replica, ...]
    weights_gib: Mapping[str, float]
    shapes: tuple[Shape, ...]
    deployments: tuple[Deployment, ...]
    egress: Mapping[tuple[str, str], int]
    latency: Mapping[tuple[str, str], int]
