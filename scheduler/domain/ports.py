"""What the core asks of the world: clouds and the edge. Adapters implement these; the core never imports them.

A cloud implements the small ports it has and leaves the others out; ``Capabilities`` says so, and the inventory shows
"unknown" rather than a guess. Every method may raise the ``ProviderError`` family of ``scheduler.domain.errors``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from scheduler.domain.events import Notice
from scheduler.domain.offer import AvailabilityKind, Offer, Quota, Reservation
from scheduler.domain.routing import EdgeConfig

Clock = Callable[[], datetime]
"""Returns the present time, timezone-aware, UTC."""


class JoinMethod(StrEnum):
    """How a launched machine joins its cluster."""

    USER_DATA = "user-data"
    CONTAINER = "container"
    KUBERNETES = "kubernetes"
    PROCESS = "process"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do. A flag is true only where code in this project does it."""

    on_demand_prices: bool = False
    spot_prices: bool = False
    availability: AvailabilityKind = AvailabilityKind.UNKNOWN
    quotas: bool = False
    reservations: bool = False
    launches: bool = False
    idempotent_launch: bool = False
    notices: bool = False
    join: JoinMethod = JoinMethod.MANUAL
    notice_s: int = 0
    freshness_target_s: int = 3600


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row of an answer that could not be trusted.

    Attributes:
        row: what the row calls itself. raw: the offending part, cut to 500 characters, without secrets.
    """

    scope: str
    row: str
    reason: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class OfferPage:
    """A part of one walk over a provider's offers.

    Attributes:
        scope: the region (or other part) that fails and completes on its own.
        complete: True on the last page of the scope: rows of the scope that were not seen are then gone.
        error: why the scope broke off, "" otherwise; its old rows are kept and marked stale.
    """

    scope: str
    offers: tuple[Offer, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    complete: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas and reservations of one account."""

    quotas: tuple[Quota, ...] = ()
    reservations: tuple[Reservation, ...] = ()


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """Everything an adapter needs to launch one node.

    Attributes:
        launch_token: unique; used as tag, name and, where the cloud has one, idempotency token.
        user_data: startup script for clouds that take one. argv: the same as a command, for machines that start processes.
        env: variables for ``argv``; may hold the join token, never logged.
    """

    node: str
    cluster: str
    launch_token: str
    offer: Offer
    user_data: str
    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CloudNode:
    """A machine as its provider sees it.

    Attributes:
        running: True while it is paid for and not being deleted.
        launch_token: read back from the tag, "" where the provider keeps none.
    """

    provider_node_id: str
    launch_token: str
    running: bool
    region: str
    zone: str
    address: str = ""
    state: str = ""


class OfferSource(Protocol):
    """Reads prices and availability."""

    def read_offers(self) -> AsyncIterator[OfferPage]:
        """Walk all offers. Breaking off by an exception ends the walk; scopes already completed stay completed."""
        ...


class LimitSource(Protocol):
    """Reads quotas and reservations."""

    async def read_limits(self) -> Limits: ...


class NodeLauncher(Protocol):
    """Acquires and releases nodes."""

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Launch one node. Never retried inside: after ``TransientError`` the caller looks for the token first."""
        ...

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """All machines that carry the token, gone ones included where the provider still lists them."""
        ...

    async def list_nodes(self) -> Sequence[CloudNode]:
        """All machines of this account that headrace launched."""
        ...

    async def terminate(self, node: CloudNode) -> None:
        """Release it. Idempotent: a machine that is already gone is no error."""
        ...


class NoticeSource(Protocol):
    """Reads interruption notices from outside the node, where a cloud offers that."""

    async def read_notices(self) -> Sequence[tuple[str, Notice]]:
        """Pairs of (provider node id, notice with ``node`` empty). May wait for some seconds until there is one.

        What one call returned counts as stored at the next, and is not told again; after a crash between the two it is.
        """
        ...


class ProofLevel(StrEnum):
    """How an adapter was proved without the live cloud; later is stronger."""

    DOCUMENTED = "documented"
    SCHEMA_VALIDATED = "schema-validated"
    SDK_TRIANGULATED = "sdk-triangulated"


@dataclass(frozen=True, slots=True)
class Proof:
    """The last proof of an adapter against a fake server of its cloud.

    Attributes:
        sdk: the vendor's SDK and its version, "" where none took part.
        faults_held, faults_tried: of the fault matrix; the rest did not apply.
    """

    level: ProofLevel
    on: date
    sdk: str = ""
    faults_held: int = 0
    faults_tried: int = 0

    @property
    def text(self) -> str:
        """For people."""
        by = f" with {self.sdk}" if self.sdk else ""
        return f"{self.level.value}{by}, {self.faults_held} faults held, {self.on.isoformat()}"


@dataclass(frozen=True, slots=True)
class Provider:
    """One configured account at one cloud: the small ports it has."""

    name: str
    account: str
    title: str
    capabilities: Capabilities
    offers: OfferSource
    limits: LimitSource | None = None
    launcher: NodeLauncher | None = None
    notices: NoticeSource | None = None
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How a person set a provider up.

    Attributes:
        kind: which adapter reads it (entry point name); name: how it is called here.
        endpoint: overrides the vendor's base URL; plain http only on loopback.
        regions: regions to read, empty for all.
        options: adapter-specific settings; secrets are named by environment variable, never written here.
    """

    name: str
    kind: str
    account: str = "default"
    endpoint: str = ""
    regions: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


class NeedFrom(StrEnum):
    """Where a person gives something."""

    ENVIRONMENT = "environment variable"
    OPTION = "option"
    REGIONS = "regions"


class NeededTo(StrEnum):
    """What does not work without it. ``SIGN_IN``: unless the vendor's own configuration does, such as files or the machine's role."""

    SIGN_IN = "sign in"
    READ = "read"
    LAUNCH = "launch"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a person gives an adapter. What comes from the environment is secret, or leads to a secret: it is never shown.

    Attributes:
        name: of the variable or option, a part in ``<>`` standing for any word; ``regions`` for regions.
        meaning: for people, a phrase.
        instead: other needs of the adapter, any of which serves as well.
        named_by: the option that names another variable in place of ``name``.
    """

    name: str
    where: NeedFrom
    meaning: str
    required: NeededTo = NeededTo.OPTIONAL
    instead: tuple[str, ...] = ()
    named_by: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """How often a vendor may be called.

    Attributes:
        key: what shares the budget, such as ``lambda/default/launch``.
        per_s: calls per second in the long run. burst: calls that may come at once.
    """

    key: str
    per_s: float
    burst: int = 1


class Pace(Protocol):
    """Keeps all who call a vendor for us, in whatever process, within its rate limits together."""

    async def take(self, budget: Budget) -> None:
        """Wait for the turn and use it up."""
        ...


class ProviderFactory(Protocol):
    """The entry point ``headrace.providers``: builds an adapter; must not import a vendor SDK before it is needed."""

    def __call__(self, settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider: ...


class EdgePublisher(Protocol):
    """Hands an edge configuration to Envoy."""

    async def publish(self, config: EdgeConfig) -> bool:
        """Make it take effect; False where nothing changed."""
        ...


class InFlightSource(Protocol):
    """Tells how many requests run on each endpoint, as the edge sees it."""

    async def in_flight(self) -> Mapping[str, int]:
        """Active requests by ``host:port``."""
        ...


class WaitingSource(Protocol):
    """Tells how many requests wait for a ready replica: the signal to start one where none runs."""

    async def waiting(self) -> Mapping[str, int]:
        """Requests held by the relay, by deployment; those without any are left out."""
        ...
