"""The immutable, versioned view of the world that every decision is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.offer import Offer, Quota, Reservation
from scheduler.domain.workload import Deployment, EngineShape, ExternalEndpoint, Model, ModelAlias, Robust


class Freshness(StrEnum):
    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """How well a provider is read.

    Attributes:
        target_s: freshness target; older rows count as stale.
        failed_scopes: regions that failed in the last poll; their old rows are kept.
        stopped: why the provider is stopped until someone acts (credentials), "" otherwise.
        proved: how its adapter was proved and when, "" where it was not.
    """

    provider: str
    account: str
    source_kind: str
    freshness: Freshness
    target_s: int
    offers: int
    last_success_at: datetime | None = None
    last_error: str = ""
    failed_scopes: tuple[str, ...] = ()
    quarantined: int = 0
    stopped: str = ""
    proved: str = ""


@dataclass(frozen=True, slots=True)
class LaunchCap:
    """How many more nodes of an offer could launch now.

    Attributes:
        nodes: upper limit for the optimizer.
        confidence: 0 to 1.
        reason: the evidence that set it, as a sentence.
        until: when a backoff ends, None where the cap is not a backoff.
    """

    nodes: int
    confidence: float
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of the world.

    Attributes:
        offers: what may be bought, fresh by the provider's rules.
        caps: launch cap by offer id; an offer without one has none known.
        egress_micro_usd_per_gb: price of moving a gigabyte by (from region, to region), as ``provider:region`` names.
        latency_ms: network round trip by (origin, place), the place as ``provider:region``; an unknown pair limits nothing.
        amortisation_h: horizon over which the one-off cost of a move is spread.
        robust: what every deployment must withstand beyond its own rules.
    """

    version: int
    taken_at: datetime
    offers: tuple[Offer, ...] = ()
    caps: Mapping[str, LaunchCap] = field(default_factory=dict)
    quotas: tuple[Quota, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    nodes: tuple[Node, ...] = ()
    replicas: tuple[Replica, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    models: tuple[Model, ...] = ()
    shapes: tuple[EngineShape, ...] = ()
    aliases: tuple[ModelAlias, ...] = ()
    endpoints: tuple[ExternalEndpoint, ...] = ()
    providers: tuple[ProviderStatus, ...] = ()
    egress_micro_usd_per_gb: Mapping[tuple[str, str], int] = field(default_factory=dict)
    latency_ms: Mapping[tuple[str, str], int] = field(default_factory=dict)
    amortisation_h: float = 24.0
    robust: Robust = field(default_factory=Robust)

    def near(self, origin: str, place: str, latency_ms_max: int | None) -> bool:
        """True where requests of this origin may be served at ``provider:region`` under the limit."""
        return latency_ms_max is None or self.latency_ms.get((origin, place), 0) <= latency_ms_max
