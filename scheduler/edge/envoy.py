"""Renders an ``EdgeConfig`` as Envoy's files: bootstrap, listener, routes, clusters, endpoints. Pure: bytes out, no I/O.

JSON throughout. The same value renders the same bytes. Field names are those of Envoy's v3 API; what each choice is for
is said beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeEndpoint, EdgeLocality
from scheduler.edge.envoy_errors import error_mappers
from scheduler.edge.envoy_listener import SECRETS_FILE, FrontDoor, listener, secret
from scheduler.edge.envoy_relay import RETURN_ROUTES, quickened, relay_clusters, relayed, return_listener, return_table
from scheduler.edge.envoy_routes import retry_policy, route_table
from scheduler.edge.table import seen_from

BOOTSTRAP = "bootstrap.json"
_TYPES = "type.googleapis.com/envoy.config"
_CONNECT_TIMEOUT = "2s"


def render(config: EdgeConfig, door: FrontDoor) -> dict[str, bytes]:
    """All files by name, in the order in which they must be put in place.

    Endpoints come before the clusters that use them, and clusters before the routes that lead to them.
    """
    files: dict[str, Any] = {}
    for backend in config.backends:
        files[endpoints_file(backend.deployment)] = _discovery([assignment(seen_from(backend, door.origin, door.region))])
    sources = {backend.deployment: _source(door.directory, endpoints_file(backend.deployment)) for backend in config.backends}
    through = relayed(config)
    clusters = [quickened(cluster(backend, sources[backend.deployment]), backend, through) for backend in config.backends]
    files["cds.json"] = _discovery(clusters + relay_clusters(config))
    files["rds.json"] = _discovery([route_table(config)])
    if door.certificate is not None:
        files[SECRETS_FILE] = _discovery([secret(door)])
    if through:
        files[RETURN_ROUTES] = _discovery([return_table(config, retry_policy())])
    returning = return_listener(config, _source(door.directory, RETURN_ROUTES), {"mappers": error_mappers()})
    files["lds.json"] = _discovery([listener(door, config, _source(door.directory, "rds.json")), *returning])
    files[BOOTSTRAP] = _bootstrap(door)
    return {name: (json.dumps(content, indent=1, sort_keys=True) + "\n").encode() for name, content in files.items()}


def endpoints_file(deployment: str) -> str:
    """The name of a deployment's endpoint file."""
    return f"eds-{quote(deployment, safe='')}.json"


def _discovery(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resources": resources}


def _source(directory: Path, name: str) -> dict[str, Any]:
    """A file that is read again whenever something is moved into its directory."""
    return {
        "path_config_source": {"path": str(directory / name), "watched_directory": {"path": str(directory)}},
        "resource_api_version": "V3",
    }


def _bootstrap(door: FrontDoor) -> dict[str, Any]:
    return {
        "node": {"id": "headrace-edge", "cluster": "headrace"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": door.admin_port}}},
        "dynamic_resources": {
            "lds_config": _source(door.directory, "lds.json"),
            "cds_config": _source(door.directory, "cds.json"),
        },
    }


@dataclass(frozen=True, slots=True)
class XdsSource:
    """Where a remote front door asks for its configuration.

    Attributes:
        servers: ``host:port`` of each control plane; only the leader answers. token: what the front door shows.
    """

    servers: tuple[str, ...]
    token: str


def secrets_of(door: FrontDoor) -> bytes:
    """The file that names the certificate of a front door; a remote one writes its own, since its files lie beside it."""
    return json.dumps(_discovery([secret(door)]), indent=1, sort_keys=True).encode()


def remote_bootstrap(door: FrontDoor, source: XdsSource) -> bytes:
    """The one file of a front door that is told everything else over xDS."""
    ads = {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [
            {
                "envoy_grpc": {"cluster_name": "control-plane"},
                "initial_metadata": [{"key": "authorization", "value": f"Bearer {source.token}"}],
            }
        ],
    }
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {"connection_keepalive": {"interval": "5s", "timeout": "5s"}}},
        }
    }
    hosts = [{"endpoint": {"address": _address(server)}} for server in source.servers]
    control = {
        "name": "control-plane",
        "type": "STRICT_DNS",
        "connect_timeout": _CONNECT_TIMEOUT,
        "load_assignment": {"cluster_name": "control-plane", "endpoints": [{"lb_endpoints": hosts}]},
        "typed_extension_protocol_options": http2,
    }
    optional = {"certificate": door.certificate, "private_key": door.private_key, "origin": door.origin, "region": door.region}
    told = {"port": door.port, "host": door.host, "access_log": str(door.access_log), "directory": str(door.directory)}
    told |= {name: str(value) for name, value in optional.items() if value}
    source_of = {"ads": {}, "resource_api_version": "V3"}
    content = {
        **_bootstrap(door),
        "node": {"id": f"headrace-edge-{door.port}", "cluster": "headrace", "metadata": told},
        "dynamic_resources": {"ads_config": ads, "lds_config": source_of, "cds_config": source_of},
        "static_resources": {"clusters": [control]},
    }
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _address(place: str) -> dict[str, Any]:
    host, _, port = place.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def cluster(backend: EdgeBackend, endpoint_source: dict[str, Any]) -> dict[str, Any]:
    """A deployment as Envoy's cluster; its endpoints come from elsewhere."""
    return {
        "@type": f"{_TYPES}.cluster.v3.Cluster",
        "name": backend.deployment,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": endpoint_source},
        "connect_timeout": _CONNECT_TIMEOUT,
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {
            "locality_weighted_lb_config": {},
            # In panic Envoy sends requests to hosts that it knows are dead; saying 503 at once is better.
            "healthy_panic_threshold": {"value": 0},
            # By default a change of health or weight may reach the workers a second late.
            "update_merge_window": "0s",
        },
        # Otherwise an engine that was taken out of the table would get requests for as long as it is healthy.
        "ignore_health_on_host_removal": True,
        "health_checks": [
            {
                "timeout": f"{backend.health_timeout_s}s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": backend.unhealthy_after,
                "healthy_threshold": 1,
                "http_health_check": {"path": backend.health_path},
            }
        ],
        "outlier_detection": _outlier_detection(),
        "circuit_breakers": _circuit_breakers(backend),
        # One request at a time on each connection, so that connections per host are requests per host.
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                # An engine that closes idle connections must not meet a request on one: close them first.
                "common_http_protocol_options": {"idle_timeout": "4s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _outlier_detection() -> dict[str, Any]:
    """Only failures to reach an engine count. A 5xx, and above all a 503 of overload, says nothing about its health."""
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 2,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "2s",
        "max_ejection_time": "15s",
        # A dead backend that fails fast looks least loaded, so all of them may be ejected.
        "max_ejection_percent": 100,
    }


def _circuit_breakers(backend: EdgeBackend) -> dict[str, Any]:
    """One set for each class: interactive requests have Envoy's high priority, batch requests its default one.

    The cap that matters is per endpoint. It counts the connections of both classes, and batch requests may open one only
    below half of it: the other half is kept for interactive requests. Only as many requests may wait as the endpoints can
    take at once; one more is told to come back. The number of endpoints is rounded up to a power of two, because a cluster
    whose breakers change is built anew.
    """
    endpoints = sum(len(locality.endpoints) for locality in backend.localities)
    rounded = 1 << max(0, endpoints - 1).bit_length()
    capacity = rounded * backend.max_requests_per_endpoint
    budget = {"budget_percent": {"value": 25}, "min_retry_concurrency": 32}
    thresholds = []
    per_host = []
    for priority, share in (("DEFAULT", 0.5), ("HIGH", 1.0)):
        most = max(1, int(capacity * share))
        thresholds.append(
            {"priority": priority, "max_connections": most, "max_pending_requests": most, "max_requests": 2 * most, "retry_budget": budget}
        )
        per_host.append({"priority": priority, "max_connections": max(1, int(backend.max_requests_per_endpoint * share))})
    return {"thresholds": thresholds, "per_host_thresholds": per_host}


def assignment(backend: EdgeBackend) -> dict[str, Any]:
    """A deployment's endpoints by cluster."""
    return {
        "@type": f"{_TYPES}.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": backend.deployment,
        "endpoints": [_locality(locality) for locality in backend.localities],
    }


def _locality(locality: EdgeLocality) -> dict[str, Any]:
    return {
        "locality": {"region": f"{locality.provider}:{locality.region}", "zone": locality.zone, "sub_zone": locality.cluster},
        "load_balancing_weight": max(1, locality.weight),
        "priority": locality.priority,
        "lb_endpoints": [_endpoint(endpoint) for endpoint in locality.endpoints],
    }


def _endpoint(endpoint: EdgeEndpoint) -> Mapping[str, Any]:
    """A draining endpoint, or one without weight, takes no new request and keeps those in flight."""
    host, _, port = endpoint.address.rpartition(":")
    idle = endpoint.draining or endpoint.weight <= 0
    return {
        "endpoint": {"address": {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}},
        "health_status": "DRAINING" if idle else "UNKNOWN",
        "load_balancing_weight": max(1, endpoint.weight),
        "metadata": {"filter_metadata": {"headrace": {"replica": endpoint.replica}}},
    }
