"""What the edge needs to know: one value from which every Envoy file is rendered."""

from __future__ import annotations

from dataclasses import dataclass, field

from scheduler.domain.workload import StreamPolicy


@dataclass(frozen=True, slots=True)
class EdgeEndpoint:
    """A replica as the edge sees it.

    Attributes:
        address: ``host:port``.
        weight: 0 to 100 within its locality; 0 or ``draining`` takes no new request but keeps those in flight.
    """

    replica: str
    address: str
    weight: int
    draining: bool = False


@dataclass(frozen=True, slots=True)
class EdgeLocality:
    """The endpoints of one cluster.

    Attributes:
        priority: 0 first; a higher one takes over when the lower ones are unhealthy.
        jurisdiction: whose law applies there; "" where it is not known.
        weight: share of traffic among localities of the same priority.
    """

    cluster: str
    provider: str
    region: str
    zone: str
    weight: int
    priority: int
    endpoints: tuple[EdgeEndpoint, ...]
    jurisdiction: str = ""


@dataclass(frozen=True, slots=True)
class EdgeBackend:
    """One deployment as an upstream of the edge.

    Attributes:
        origins: where its declared demand comes from.
        residency: the jurisdictions that may serve each origin's requests, by origin; origins without a rule are left out.
        health_timeout_s: how long a health check may take; ``unhealthy_after``: failed checks in a row that take an endpoint out.
        stream: what the relay does for it. engine: kind of its engines, which decides how a stream is continued.
        health_path: what a health check asks for.
    """

    deployment: str
    model_name: str
    localities: tuple[EdgeLocality, ...]
    max_requests_per_endpoint: int = 64
    health_timeout_s: int = 2
    unhealthy_after: int = 2
    origins: tuple[str, ...] = ()
    residency: tuple[tuple[str, tuple[str, ...]], ...] = ()
    stream: StreamPolicy = field(default_factory=StreamPolicy)
    engine: str = ""
    health_path: str = "/health"

    @property
    def relayed(self) -> bool:
        return self.stream.relayed


@dataclass(frozen=True, slots=True)
class EdgeRoute:
    """A public model name and the deployments behind it, with their shares in percent of 100."""

    model_name: str
    backends: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class EdgeRelay:
    """The relay beside an Envoy, on the same machine.

    Attributes:
        address: ``host:port`` where the relay takes requests.
        return_port: where Envoy takes the relay's own requests, on loopback only: what comes in there goes to replicas without
            passing the relay again, and is not metered a second time.
    """

    address: str
    return_port: int


@dataclass(frozen=True, slots=True)
class EdgeKeys:
    """How the edge tells tenants' keys, with nobody to ask.

    Attributes:
        jwks: the public keys that client keys are signed with, as a JSON Web Key Set.
        revoked: ids of client keys that are refused though their signature holds.
    """

    jwks: str
    revoked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EdgeLimit:
    """The most one tenant may send through one front door.

    Attributes:
        requests_per_s: sustained rate. burst: requests that may come at once after a pause.
    """

    tenant: str
    requests_per_s: int
    burst: int


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """Everything the front door needs; the same value renders the same bytes.

    Attributes:
        keys: None where requests need no key.
    """

    routes: tuple[EdgeRoute, ...] = ()
    backends: tuple[EdgeBackend, ...] = ()
    keys: EdgeKeys | None = None
    limits: tuple[EdgeLimit, ...] = ()
    relay: EdgeRelay | None = None
