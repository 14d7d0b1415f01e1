"""Reads from Envoy's admin interface how many requests run on each endpoint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
from pydantic import BaseModel, Field, ValidationError

from scheduler.domain.errors import HeadraceError

_TIMEOUT_S = 3.0
_ACTIVE = "rq_active"


class EdgeUnreadableError(HeadraceError):
    """Envoy's admin interface did not answer, or not as documented: treat the edge's view as unknown, not as idle."""


class _SocketAddress(BaseModel):
    address: str
    port_value: int = 0


class _Address(BaseModel):
    socket_address: _SocketAddress | None = None


class _Stat(BaseModel):
    name: str = ""
    value: int = 0


class _Health(BaseModel):
    """Absent flags mean that nothing speaks against the host."""

    failed_active_health_check: bool = False
    failed_outlier_check: bool = False
    eds_health_status: str = ""


class _Host(BaseModel):
    address: _Address
    stats: list[_Stat] = Field(default_factory=list)
    health_status: _Health = Field(default_factory=_Health)


class _Cluster(BaseModel):
    name: str
    host_statuses: list[_Host] = Field(default_factory=list)


class _Clusters(BaseModel):
    cluster_statuses: list[_Cluster] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EdgeSight:
    """What Envoy sees.

    Attributes:
        in_flight: active requests by ``host:port``, summed where deployments share an endpoint.
        healthy: endpoints that neither active health checks nor ejection keep out.
        ready: of those, the ones that take new requests, by deployment.
        dead: endpoints that fail their active health checks.
    """

    in_flight: Mapping[str, int]
    healthy: frozenset[str]
    ready: Mapping[str, frozenset[str]] = field(default_factory=dict)
    dead: frozenset[str] = frozenset()


def active_requests(document: bytes) -> Mapping[str, int]:
    """The requests of ``read_clusters``. Raises EdgeUnreadableError."""
    return read_clusters(document).in_flight


def read_clusters(document: bytes) -> EdgeSight:
    """Read ``/clusters?format=json``.

    Raises:
        EdgeUnreadableError: not that document.
    """
    try:
        clusters = _Clusters.model_validate_json(document)
    except ValidationError as error:
        raise EdgeUnreadableError(f"the list of clusters could not be read: {error}") from error
    totals: dict[str, int] = defaultdict(int)
    healthy: set[str] = set()
    ready: dict[str, set[str]] = defaultdict(set)
    dead: set[str] = set()
    for cluster in clusters.cluster_statuses:
        for host in cluster.host_statuses:
            place = host.address.socket_address
            if place is not None:
                endpoint = f"{place.address}:{place.port_value}"
                totals[endpoint] += sum(stat.value for stat in host.stats if stat.name == _ACTIVE)
                if host.health_status.failed_active_health_check:
                    dead.add(endpoint)
                if not (host.health_status.failed_active_health_check or host.health_status.failed_outlier_check):
                    healthy.add(endpoint)
                    if host.health_status.eds_health_status != "DRAINING":
                        ready[cluster.name].add(endpoint)
    return EdgeSight(dict(totals), frozenset(healthy), {name: frozenset(found) for name, found in ready.items()}, frozenset(dead))


class AdminStats:
    """One Envoy's admin interface. Implements ``domain.ports.InFlightSource``."""

    def __init__(self, admin_port: int) -> None:
        self._http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{admin_port}", timeout=_TIMEOUT_S, trust_env=False)

    async def in_flight(self) -> Mapping[str, int]:
        """Active requests by ``host:port``. Raises EdgeUnreadableError."""
        return (await self.look()).in_flight

    async def look(self) -> EdgeSight:
        """Requests and health of every endpoint. Raises EdgeUnreadableError."""
        try:
            answer = await self._http.get("/clusters", params={"format": "json"})
            answer.raise_for_status()
        except httpx2.HTTPError as error:
            raise EdgeUnreadableError(f"the admin interface did not answer: {error!r}") from error
        return read_clusters(answer.content)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
