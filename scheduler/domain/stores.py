"""What the core asks of its memory. ``scheduler.store`` implements these on Postgres; simulations keep them in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from scheduler.domain.agentstate import DesiredState, ObservedState
from scheduler.domain.events import Event, EventKind, Notice
from scheduler.domain.evidence import Exposure, LaunchRecord
from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.lifecycle import PlanState, Schedulability
from scheduler.domain.offer import Offer
from scheduler.domain.plan import Move, Plan
from scheduler.domain.ports import Limits, OfferPage, Quarantined
from scheduler.domain.snapshot import ProviderStatus
from scheduler.domain.usage import NodeUsage, TokenUsage
from scheduler.domain.workload import Deployment, EngineShape, ExternalEndpoint, Model, ModelAlias, Tenant


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one page of offers changed."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    price_changes: int = 0
    availability_changes: int = 0


@dataclass(frozen=True, slots=True)
class OfferFilter:
    """Which offers to list; empty fields allow everything."""

    provider: str = ""
    region: str = ""
    accelerator: str = ""
    capacity_type: str = ""
    text: str = ""
    at: datetime | None = None
    sort: str = "price"
    descending: bool = False
    limit: int = 100
    offset: int = 0
    offer_id: str = ""


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """A price or availability that held from ``since`` to ``until`` (None: still holds)."""

    since: datetime
    until: datetime | None
    price_micro_usd_per_h: int | None
    availability: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A quarantined row as it is kept: the last sight of it in its scope, until a complete walk no longer shows it."""

    feed: str
    account: str
    quarantined: Quarantined
    at: datetime


class OfferStore(Protocol):
    """The inventory's offers, limits and their history."""

    async def ingest(self, feed: str, account: str, page: OfferPage, poll_started_at: datetime) -> IngestReport:
        """Merge a page of a feed (a configured provider; an aggregator's or a snapshot's offers name other providers).

        Rows of a complete scope that this poll did not touch are removed; a failed scope's rows turn stale. Where two
        feeds report the same cloud, live rows hide simulated, declared and snapshot rows of that cloud and account.
        """
        ...

    async def list_offers(self, query: OfferFilter) -> tuple[Sequence[Offer], int]:
        """One page of offers and the total count."""
        ...

    async def history(self, offer_id: str, since: datetime) -> Sequence[HistoryPoint]: ...

    async def put_status(self, status: ProviderStatus) -> None: ...

    async def statuses(self) -> Sequence[ProviderStatus]: ...

    async def put_limits(self, feed: str, account: str, limits: Limits) -> None: ...

    async def problems(self, limit: int) -> Sequence[Problem]:
        """Quarantined rows, newest first."""
        ...

    async def roll_up(self, before: datetime) -> int:
        """Turn history that ended before an instant into one row per offer and day. Returns how many rows went."""
        ...


class EvidenceStore(Protocol):
    """What limits launches: quotas and reservations as reported, and what launches taught."""

    async def limits(self) -> Limits: ...

    async def put_records(self, records: Sequence[LaunchRecord]) -> None:
        """Insert or replace by scope."""
        ...

    async def records(self, changed_since: datetime) -> Mapping[str, LaunchRecord]:
        """Records by scope that changed, or hold something back, since then."""
        ...

    async def exposures(self, since: datetime, now: datetime) -> Mapping[str, Exposure]:
        """How long nodes ran and how often they were taken back since then, by offer id."""
        ...


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything people declared."""

    deployments: tuple[Deployment, ...] = ()
    models: tuple[Model, ...] = ()
    shapes: tuple[EngineShape, ...] = ()
    aliases: tuple[ModelAlias, ...] = ()
    endpoints: tuple[ExternalEndpoint, ...] = ()
    tenants: tuple[Tenant, ...] = ()


class WorkloadStore(Protocol):
    """Declared models, deployments, aliases, endpoints and tenants. Written by the API, read by the loop."""

    async def workload(self) -> Workload: ...

    async def put(self, workload: Workload) -> None:
        """Insert or replace by id.

        A deployment that runs something else (``Deployment.runs``) gets the next generation; the given one is ignored.
        """
        ...

    async def delete_deployment(self, deployment: str) -> None:
        """Raises NoSuchError."""
        ...


@dataclass(frozen=True, slots=True)
class Fleet:
    """The loop's persisted state: what runs, what moves, what was last asked of every cluster."""

    clusters: tuple[Cluster, ...] = ()
    nodes: tuple[Node, ...] = ()
    replicas: tuple[Replica, ...] = ()
    moves: tuple[Move, ...] = ()
    plan: Plan | None = None
    desired: tuple[DesiredState, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Everything one step of the loop decided; applied whole or not at all.

    Attributes:
        handled_notices: closed notices as ``node/kind``.
    """

    clusters: tuple[Cluster, ...] = ()
    nodes: tuple[Node, ...] = ()
    replicas: tuple[Replica, ...] = ()
    moves: tuple[Move, ...] = ()
    plans: tuple[Plan, ...] = ()
    desired: tuple[DesiredState, ...] = ()
    events: tuple[Event, ...] = ()
    handled_notices: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        parts = (self.clusters, self.nodes, self.replicas, self.moves, self.plans, self.desired, self.events, self.handled_notices)
        return not any(parts)


class FleetStore(Protocol):
    """Fleet state, written only by the leader, plus the two facts people own about a cluster."""

    async def fleet(self) -> Fleet:
        """Clusters; nodes and replicas that have not ended; the open plan (applying) and its moves."""
        ...

    async def commit(self, changes: ChangeSet, epoch: int) -> None:
        """Apply atomically. Raises FencedError if ``epoch`` is no longer the leader's. Never touches a cluster's schedulability."""
        ...

    async def put_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Declare clusters: inserts new ones, updates place and zones of known ones; keeps state and schedulability."""
        ...

    async def set_schedulability(self, cluster: str, value: Schedulability) -> Cluster:
        """Raises NoSuchError."""
        ...

    async def ended_replicas(self, since: datetime) -> Sequence[Replica]: ...


class PlanStore(Protocol):
    """Plans and moves, open and past."""

    async def plan(self, plan_id: str) -> Plan:
        """Raises NoSuchError."""
        ...

    async def plans(self, limit: int) -> Sequence[Plan]:
        """Newest first."""
        ...

    async def moves(self, plan_id: str | None, limit: int) -> Sequence[Move]:
        """Newest first."""
        ...

    async def propose(self, plan: Plan) -> None:
        """Store a previewed plan."""
        ...

    async def decide(self, plan_id: str, state: PlanState, decided_by: str) -> Plan:
        """Move a proposed plan to APPLYING (as a request to the loop) or REJECTED. Raises NoSuchError, ConflictError."""
        ...


class AgentStore(Protocol):
    """The mailbox between the loop and the cluster agents."""

    async def desired(self, cluster: str) -> DesiredState | None: ...

    async def report(self, observed: ObservedState, lease_until: datetime) -> None: ...

    async def observations(self) -> Sequence[tuple[ObservedState, datetime]]:
        """Last report of every cluster with the end of its lease."""
        ...

    async def put_notice(self, notice: Notice) -> None:
        """Idempotent per (node, kind)."""
        ...

    async def open_notices(self) -> Sequence[Notice]: ...


class EventLog(Protocol):
    """Append-only events with a rising sequence number."""

    async def append(self, events: Sequence[Event]) -> None: ...

    async def after(self, sequence: int, limit: int) -> Sequence[tuple[int, Event]]: ...

    async def latest(self, limit: int, kinds: Sequence[EventKind] = ()) -> Sequence[tuple[int, Event]]: ...

    async def wait(self, sequence: int, timeout_s: float) -> bool:
        """Return True as soon as there is an event after ``sequence``, False at the timeout."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job.

    Attributes:
        outcome: "" while running; ``done`` or ``failed`` after.
    """

    job: str
    run_date: date
    started_at: datetime
    heartbeat_at: datetime
    outcome: str = ""
    step: str = ""
    report: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


class LeaseStore(Protocol):
    """Who leads, and who runs a job."""

    async def acquire_leadership(self, holder: str, now: datetime, ttl_s: float) -> int | None:
        """Take or renew the leader's lease; the epoch, or None while another holder's lease is alive. A new holder gets a new epoch."""
        ...

    async def release_leadership(self, holder: str, epoch: int) -> None: ...

    async def begin_run(self, job: str, run_date: date, now: datetime, stale_after_s: float) -> Run | None:
        """Start or resume the run of that date; None while another process holds it. A finished run is returned with its outcome."""
        ...

    async def update_run(self, run: Run) -> None: ...

    async def runs(self, job: str, limit: int) -> Sequence[Run]: ...


class UsageStore(Protocol):
    """The ledger."""

    async def add_tokens(self, rows: Sequence[TokenUsage]) -> None:
        """Adds to the row of the same (minute, tenant, deployment, replica)."""
        ...

    async def put_nodes(self, rows: Sequence[NodeUsage]) -> None:
        """Replaces the row of the same (minute, node, deployment, phase)."""
        ...

    async def tokens(self, since: datetime, until: datetime) -> Sequence[TokenUsage]: ...

    async def nodes(self, since: datetime, until: datetime) -> Sequence[NodeUsage]: ...


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as stored: only its hash.

    Attributes:
        role: ``viewer`` reads, ``operator`` changes, ``agent`` speaks for ``subject`` (a cluster), ``node`` may
            pass notices on for its cluster ``subject``, ``client`` sends requests as tenant ``subject``.
    """

    id: str
    role: str
    subject: str
    sha256: str
    created_at: datetime
    revoked_at: datetime | None = None


class KeyStore(Protocol):
    """API keys, by hash."""

    async def put_key(self, key: ApiKey) -> None: ...

    async def find_key(self, sha256: str) -> ApiKey | None: ...

    async def keys(self) -> Sequence[ApiKey]: ...

    async def revoke(self, key_id: str, now: datetime) -> None:
        """Raises NoSuchError."""
        ...
