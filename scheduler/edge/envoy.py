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
from scheduler.edge.envoy_listener import error_replies, listener
from scheduler.edge.envoy_relay import RETURN_ROUTES, quicken, relay_clusters, relayed, return_listener, return_table
from scheduler.edge.envoy_routes import route_table, straight_action

BOOTSTRAP = "bootstrap.json"
_TYPES = "type.googleapis.com/envoy.config"
_CONNECT_TIMEOUT = "2s"


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Where one Envoy listens and writes.

    Attributes:
        directory: holds the rendered files; Envoy watches it.
        admin_port: always on loopback.
        access_log: a JSON line for each request.
    """

    directory: Path
    port: int
    admin_port: int
    access_log: Path
    host: str = "127.0.0.1"


def render(config: EdgeConfig, door: FrontDoor) -> dict[str, bytes]:
    """All files by name, in the order in which they must be put in place.

    Endpoints come before the clusters that use them, and clusters before the routes that lead to them.
    """
    files: dict[str, Any] = {endpoints_file(backend.deployment): _discovery([_assignment(backend)]) for backend in config.backends}
    through = relayed(config)
    clusters = [_cluster(backend, door.directory) for backend in config.backends]
    for cluster in clusters:
        if cluster["name"] in through:
            quicken(cluster, through[cluster["name"]])
    files["cds.json"] = _discovery(clusters + relay_clusters(config))
    files["rds.json"] = _discovery([route_table(config)])
    if through:
        files[RETURN_ROUTES] = _discovery([return_table(config, {name: straight_action(name) for name in through})])
    returning = return_listener(config, _source(door.directory, RETURN_ROUTES), error_replies())
    front = listener(door.host, door.port, str(door.access_log), _source(door.directory, "rds.json"))
    files["lds.json"] = _discovery([front, *returning])
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


def _cluster(backend: EdgeBackend, directory: Path) -> dict[str, Any]:
    return {
        "@type": f"{_TYPES}.cluster.v3.Cluster",
        "name": backend.deployment,
        "type": "EDS",
        "eds_cluster_config": {"eds_config": _source(directory, endpoints_file(backend.deployment))},
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
        "circuit_breakers": _circuit_breakers(backend.max_requests_per_endpoint),
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


def _circuit_breakers(per_endpoint: int) -> dict[str, Any]:
    """The cap that matters is per endpoint; those of the whole cluster only bound memory."""
    return {
        "thresholds": [
            {
                "max_connections": 16384,
                "max_pending_requests": 4096,
                "max_requests": 16384,
                "retry_budget": {"budget_percent": {"value": 25}, "min_retry_concurrency": 32},
            }
        ],
        "per_host_thresholds": [{"max_connections": per_endpoint}],
    }


def _assignment(backend: EdgeBackend) -> dict[str, Any]:
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
