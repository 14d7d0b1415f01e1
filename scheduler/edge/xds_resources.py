"""The same rendered resources as protos, with a version each, for front doors that are told over xDS.

JSON is the one source: what the files hold is parsed into Envoy's own messages, so files and xDS can't differ. What did
not change since the last configuration is not parsed again.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf import any_pb2, descriptor_pool, json_format

from scheduler.domain.routing import EdgeConfig
from scheduler.edge.envoy import assignment, cluster
from scheduler.edge.envoy_listener import ROUTE_TABLE, FrontDoor, listener
from scheduler.edge.envoy_routes import route_table
from scheduler.edge.table import seen_from

_CONFIG = "type.googleapis.com/envoy.config"
CLUSTERS = f"{_CONFIG}.cluster.v3.Cluster"
ENDPOINTS = f"{_CONFIG}.endpoint.v3.ClusterLoadAssignment"
LISTENERS = f"{_CONFIG}.listener.v3.Listener"
ROUTES = f"{_CONFIG}.route.v3.RouteConfiguration"
ORDER = (CLUSTERS, ENDPOINTS, LISTENERS, ROUTES)
"""Clusters are told before what leads to them; each has its endpoints before it is used."""
ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}

_MESSAGES = (
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "envoy.config.route.v3.route_pb2",
    "envoy.extensions.access_loggers.file.v3.file_pb2",
    "envoy.extensions.filters.http.json_to_metadata.v3.json_to_metadata_pb2",
    "envoy.extensions.filters.http.jwt_authn.v3.config_pb2",
    "envoy.extensions.filters.http.local_ratelimit.v3.local_rate_limit_pb2",
    "envoy.extensions.filters.http.rbac.v3.rbac_pb2",
    "envoy.extensions.filters.http.router.v3.router_pb2",
    "envoy.extensions.filters.http.set_filter_state.v3.set_filter_state_pb2",
    "envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2",
    "envoy.extensions.matching.common_inputs.network.v3.network_inputs_pb2",
    "envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2",
    "envoy.extensions.transport_sockets.tls.v3.tls_pb2",
    "envoy.extensions.upstreams.http.v3.http_protocol_options_pb2",
    "envoy.type.matcher.v3.http_inputs_pb2",
    "xds.type.v3.typed_struct_pb2",
)
for _name in _MESSAGES:
    importlib.import_module(_name)
_TYPED_STRUCT = "type.googleapis.com/xds.type.v3.TypedStruct"


@dataclass(frozen=True, slots=True)
class Resource:
    """One message and the digest of its content."""

    digest: str
    body: any_pb2.Any


Resources = Mapping[str, Mapping[str, Resource]]
"""By type URL, then by name."""


@dataclass
class Renderer:
    """Renders configurations for one front door, and remembers the last one to save work."""

    door: FrontDoor
    _known: dict[Hashable, Resource] = field(default_factory=dict)

    def render(self, config: EdgeConfig) -> Resources:
        """Every resource of the configuration, but for the relay, which stands beside the embedded front door only."""
        config = replace(config, relay=None)
        last, self._known = self._known, {}

        def made(key: Hashable, content: Any) -> Resource:
            self._known[key] = last.get(key) or resource(content())
            return self._known[key]

        clusters, endpoints = {}, {}
        for backend in config.backends:
            name = backend.deployment
            clusters[name] = made(("cluster", backend), lambda backend=backend: cluster(backend, ADS))
            endpoints[name] = made(("endpoints", backend), lambda backend=backend: self._assignment(backend))
        routes = made(("routes", config.routes), lambda: route_table(config))
        front = made(("listener", config.keys, config.limits), lambda: listener(self.door, config, ADS))
        return {CLUSTERS: clusters, ENDPOINTS: endpoints, LISTENERS: {"edge": front}, ROUTES: {ROUTE_TABLE: routes}}

    def _assignment(self, backend: Any) -> dict[str, Any]:
        return assignment(seen_from(backend, self.door.origin, self.door.region))


def resource(content: Mapping[str, Any]) -> Resource:
    """Parse one rendered resource. Raises json_format.ParseError where it is not of Envoy's API."""
    body = any_pb2.Any()
    json_format.ParseDict(_known_types(content), body)
    return Resource(hashlib.sha256(body.value).hexdigest()[:16], body)


def _known_types(content: Any) -> Any:
    """Envoy reads a message that our protos don't have from a struct of the same JSON."""
    if isinstance(content, list):
        return [_known_types(each) for each in content]
    if not isinstance(content, Mapping):
        return content
    kind = content.get("@type")
    if kind is not None and not _is_known(kind.rpartition("/")[2]):
        return {"@type": _TYPED_STRUCT, "type_url": kind, "value": {name: value for name, value in content.items() if name != "@type"}}
    return {name: _known_types(value) for name, value in content.items()}


def _is_known(name: str) -> bool:
    try:
        descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return False
    return True
