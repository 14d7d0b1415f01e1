"""The same rendered resources as protos, with a version each, for front doors that are told over xDS.

JSON is the one source: what the files hold is parsed into Envoy's own messages, so files and xDS can't differ. What did
not change since the last configuration is not parsed again.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf import any_pb2, descriptor_pool, json_format
from xds.type.matcher.v3.matcher_pb2 import Matcher

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


class _Names:
    """Parses a route table whose thousands of names are mostly those of the last one: each name's route is parsed once."""

    def __init__(self) -> None:
        self._parsed: dict[str, Any] = {}
        self._hash = hashlib.sha256()

    def routes(self, config: EdgeConfig) -> Resource:
        content = route_table(config)
        last, self._parsed = self._parsed, {}
        matcher = content["virtual_hosts"][0].pop("matcher")
        frame = {name: value for name, value in content.items() if name != "@type"}
        table = json_format.ParseDict(_known_types(frame), RouteConfiguration())
        self._hash = hashlib.sha256(_digest(frame).encode())
        self._fill(matcher, table.virtual_hosts[0].matcher, last)
        body = any_pb2.Any()
        body.Pack(table)
        return Resource(self._hash.hexdigest()[:16], body)

    def _fill(self, content: Mapping[str, Any], matcher: Any, last: Mapping[str, Any]) -> None:
        if "matcher_tree" in content:
            tree = content["matcher_tree"]
            self._parse(tree["input"], matcher.matcher_tree.input)
            kind = "exact_match_map" if "exact_match_map" in tree else "prefix_match_map"
            names = getattr(matcher.matcher_tree, kind).map
            for name, found in tree[kind]["map"].items():
                self._hash.update(name.encode())
                names[name].CopyFrom(self._once(found, last))
        for each in content.get("matcher_list", {}).get("matchers", ()):
            row = matcher.matcher_list.matchers.add()
            self._parse(each["predicate"], row.predicate)
            self._follow(each["on_match"], row.on_match, last)
        if "on_no_match" in content:
            self._follow(content["on_no_match"], matcher.on_no_match, last)

    def _follow(self, content: Mapping[str, Any], found: Any, last: Mapping[str, Any]) -> None:
        if "matcher" in content:
            self._fill(content["matcher"], found.matcher, last)
        else:
            self._parse(content, found)

    def _parse(self, content: Mapping[str, Any], message: Any) -> None:
        self._hash.update(_digest(content).encode())
        json_format.ParseDict(_known_types(content), message)

    def _once(self, content: Mapping[str, Any], last: Mapping[str, Any]) -> Any:
        # The parser puts the type elsewhere in what it reads: without sorting, a name would have two keys.
        key = json.dumps(content["action"]["typed_config"], sort_keys=True)
        self._hash.update(key.encode())
        if key not in self._parsed:
            self._parsed[key] = last[key] if key in last else json_format.ParseDict(content, Matcher.OnMatch())
        return self._parsed[key]


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


@dataclass
class Renderer:
    """Renders configurations for one front door, and remembers the last one to save work."""

    door: FrontDoor
    _known: dict[Hashable, Resource] = field(default_factory=dict)
    _names: _Names = field(default_factory=_Names)

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
        routes = last.get(("routes", config.routes)) or self._names.routes(config)
        self._known["routes", config.routes] = routes
        front = made(("listener", config.keys, config.limits), lambda: listener(self.door, config, ADS))
        return {CLUSTERS: clusters, ENDPOINTS: endpoints, LISTENERS: {"edge": front}, ROUTES: {ROUTE_TABLE: routes}}

    def _assignment(self, backend: Any) -> dict[str, Any]:
        return assignment(seen_from(backend, self.door.origin, self.door.region))


def resource(content: Mapping[str, Any]) -> Resource:
    """Parse one rendered resource. Raises json_format.ParseError where it is not of Envoy's API."""
    body = any_pb2.Any()
    json_format.ParseDict(_known_types(content), body)
    return Resource(_digest(content), body)


def _digest(content: Any) -> str:
    """Of the JSON: protos with maps need not have the same bytes in the next process, which would then disturb everyone."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
