"""What the routes may use. Bootstrap fills it; routes get it as a FastAPI dependency."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from scheduler.control.desk import Desk
from scheduler.domain.fleet import Cluster
from scheduler.domain.ports import Clock
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import (
    AgentStore,
    EventLog,
    EvidenceStore,
    FleetStore,
    KeyStore,
    LeaseStore,
    OfferStore,
    PlanStore,
    UsageStore,
    WorkloadStore,
)
from scheduler.optimizer import SolveSettings


class Stores(Protocol):
    """The memory of the core, by port."""

    @property
    def offers(self) -> OfferStore: ...
    @property
    def evidence(self) -> EvidenceStore: ...
    @property
    def workload(self) -> WorkloadStore: ...
    @property
    def fleet(self) -> FleetStore: ...
    @property
    def plans(self) -> PlanStore: ...
    @property
    def agents(self) -> AgentStore: ...
    @property
    def events(self) -> EventLog: ...
    @property
    def leases(self) -> LeaseStore: ...
    @property
    def usage(self) -> UsageStore: ...
    @property
    def keys(self) -> KeyStore: ...


class SnapshotSource(Protocol):
    """Assembles the present snapshot; ``joining`` clusters are seen as if they were declared."""

    def __call__(self, now: datetime, joining: Sequence[Cluster] = ()) -> Awaitable[Snapshot]: ...


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """How the door is kept.

    Attributes:
        open_on_loopback: requests from this machine's own loopback need no key. Never true on another address.
        lease_s: how long an agent's report keeps its cluster alive.
        front_door: URL where clients send prompts, for people to see; "" where no edge is configured.
    """

    open_on_loopback: bool = True
    lease_s: float = 10.0
    front_door: str = ""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a route needs.

    Attributes:
        snapshot: assembles the present snapshot. epoch: the leader epoch of this process, 0 where it does not lead.
        facts: what this process is (version, role, what is simulated), shown by /v1/status.
        desk: answers where one deployment would go.
        sign_client: the token of a client key, from its id, its tenant and the present; None where no edge takes keys.
    """

    stores: Stores
    snapshot: SnapshotSource
    clock: Clock
    epoch: Callable[[], int]
    settings: ApiSettings = field(default_factory=ApiSettings)
    solving: SolveSettings = field(default_factory=SolveSettings)
    facts: Mapping[str, Any] = field(default_factory=dict)
    desk: Desk = field(default_factory=Desk)
    sign_client: Callable[[str, str, datetime], str] | None = None


def services(request: Request) -> Services:
    """The services of the running application."""
    found: Services = request.app.state.services
    return found


Use = Annotated[Services, Depends(services)]
