"""How Envoy and the relay pass requests to each other; nothing of it is rendered where no deployment is relayed.

A relayed deployment's requests go to an aggregate cluster: the relay first, the replicas themselves where the relay is down, so
that the relay is never what everything hangs on. The relay's own requests come back through a listener of their own on
loopback, which no client can reach from outside and which is not metered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeRelay
from scheduler.domain.workload import Resume

RELAY_CLUSTER = "headrace.relay"
RELAYED_SUFFIX = "~relayed"
RETURN_ROUTES = "rds-relay.json"
DEPLOYMENT, RESUME, HOLD_S, SILENCE_S, ENGINE = (f"x-headrace-{name}" for name in ("deployment", "resume", "hold-s", "silence-s", "engine"))
REPLICA, ENDPOINT, GO_TO = "x-headrace-replica", "x-headrace-endpoint", "x-headrace-go-to"

_TYPES = "type.googleapis.com/envoy.extensions"
_CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
_RETURN_TABLE = "relay-return"
_MOST = {"max_connections": 16384, "max_pending_requests": 4096, "max_requests": 16384, "max_retries": 1024}
_LIMITS = {"thresholds": [{**_MOST, "priority": "DEFAULT"}, {**_MOST, "priority": "HIGH"}]}
CLASS = "x-headrace-class"
_PLENTY = "600s"
_QUICK_S = 2
"""Backends whose health checks may take no longer than this are checked more often where they are resumed."""


def relayed_name(deployment: str) -> str:
    """The cluster that a relayed deployment's requests are sent to."""
    return deployment + RELAYED_SUFFIX


def deployment_of(cluster: str) -> str:
    """The deployment that a cluster in the access log stands for."""
    return cluster.removesuffix(RELAYED_SUFFIX)


def relayed(config: EdgeConfig) -> Mapping[str, EdgeBackend]:
    """The backends whose requests pass the relay, by deployment; none where there is no relay."""
    return {backend.deployment: backend for backend in config.backends if backend.relayed} if config.relay else {}


def relay_clusters(config: EdgeConfig) -> list[dict[str, Any]]:
    """The relay itself, and one aggregate for each relayed deployment."""
    backends = relayed(config)
    if config.relay is None or not backends:
        return []
    return [_relay(config.relay), *(_aggregate(name) for name in backends)]


def _relay(relay: EdgeRelay) -> dict[str, Any]:
    host, _, port = relay.address.rpartition(":")
    address = {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
    check = {"timeout": "1s", "interval": "0.5s", "no_traffic_interval": "0.5s", "unhealthy_threshold": 3, "healthy_threshold": 1}
    return {
        "@type": _CLUSTER,
        "name": RELAY_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": RELAY_CLUSTER, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}, "update_merge_window": "0s"},
        "health_checks": [{**check, "http_health_check": {"path": "/health"}}],
        "circuit_breakers": _LIMITS,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "60s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _aggregate(deployment: str) -> dict[str, Any]:
    config = {"@type": f"{_TYPES}.clusters.aggregate.v3.ClusterConfig", "clusters": [RELAY_CLUSTER, deployment]}
    return {
        "@type": _CLUSTER,
        "name": relayed_name(deployment),
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": _LIMITS,
        "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": config},
    }


def quickened(cluster: dict[str, Any], backend: EdgeBackend, through: Mapping[str, EdgeBackend]) -> dict[str, Any]:
    """A backend's cluster; where its streams are resumed, a hung replica is found within two seconds.

    Engines whose health checks must be patient keep their patience.
    """
    resumed = backend.deployment in through and backend.stream.resume is not Resume.NEVER
    if not resumed or backend.health_timeout_s > _QUICK_S:
        return cluster
    quick = {"timeout": "0.6s", "interval": "0.25s", "no_traffic_interval": "0.25s"}
    return {**cluster, "health_checks": [{**check, **quick} for check in cluster["health_checks"]]}


def policy_headers(backend: EdgeBackend) -> list[dict[str, Any]]:
    """What the relay is told with each request, so that it needs no configuration of its own. What a client sent is overwritten."""
    policy = backend.stream
    told = {
        DEPLOYMENT: backend.deployment,
        RESUME: policy.resume.value,
        HOLD_S: f"{policy.hold_s:g}",
        SILENCE_S: f"{policy.silence_s:g}",
        ENGINE: backend.engine,
    }
    return [_header(name, value) for name, value in told.items() if value]


def through_relay(forward: dict[str, Any], backends: Mapping[str, EdgeBackend], retry: dict[str, Any]) -> dict[str, Any]:
    """A route with relayed deployments replaced by their aggregates, and what the relay is told."""
    target = forward["route"]
    names = [target["cluster"]] if "cluster" in target else [each["name"] for each in target["weighted_clusters"]["clusters"]]
    if not any(name in backends for name in names):
        return forward
    if "cluster" in target:
        told: dict[str, Any] = {"request_headers_to_add": policy_headers(backends[names[0]])}
        aim: dict[str, Any] = {"cluster": relayed_name(names[0])}
    else:
        shares = [_share(each, backends) for each in target["weighted_clusters"]["clusters"]]
        told, aim = {}, {"weighted_clusters": {"clusters": shares}}
    return {**forward, **told, "route": {**target, **aim, "retry_policy": _falling_back(retry)}}


def _share(each: dict[str, Any], backends: Mapping[str, EdgeBackend]) -> dict[str, Any]:
    name = each["name"]
    return {**each, "name": relayed_name(name), "request_headers_to_add": policy_headers(backends[name])} if name in backends else each


def _falling_back(retry: dict[str, Any]) -> dict[str, Any]:
    """A try that failed at the relay is repeated at the replicas; a 503 is the relay's considered answer, and stands."""
    kept = {name: value for name, value in retry.items() if name != "retriable_status_codes"}
    previous = f"{_TYPES}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
    return {
        **kept,
        "retry_on": "connect-failure,refused-stream,reset-before-request,reset",
        "retry_priority": {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {"@type": previous, "update_frequency": 1},
        },
    }


def return_listener(config: EdgeConfig, source: dict[str, Any], errors: dict[str, Any]) -> list[dict[str, Any]]:
    """The listener that the relay's requests come back to."""
    if config.relay is None or not relayed(config):
        return []
    session = {
        "@type": f"{_TYPES}.http.stateful_session.header.v3.HeaderBasedSessionState",
        "name": GO_TO,
    }
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "relay-return",
        "rds": {"route_config_name": _RETURN_TABLE, "config_source": source},
        "http_filters": [
            {
                "name": "envoy.filters.http.stateful_session",
                "typed_config": {
                    "@type": f"{_TYPES}.filters.http.stateful_session.v3.StatefulSession",
                    "session_state": {"name": "envoy.http.stateful_session.header", "typed_config": session},
                },
            },
            {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}},
        ],
        "local_reply_config": errors,
        "stream_idle_timeout": _PLENTY,
        # By default a connection whose stream broke stays open for a second, and the relay would learn of it that much later.
        "delayed_close_timeout": "0s",
        "server_name": "headrace",
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": config.relay.return_port}}
    return [
        {
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
            "name": "relay-return",
            "address": address,
            "per_connection_buffer_limit_bytes": 32 * 1024 * 1024,
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }
    ]


def return_table(config: EdgeConfig, retry: dict[str, Any]) -> dict[str, Any]:
    """The relay's routes: the deployment it names, straight to the replicas, in the class that the client named."""
    routes: list[dict[str, Any]] = [
        {
            "match": {"prefix": "/", "headers": [{"name": DEPLOYMENT, "string_match": {"exact": name}}, *of_class]},
            "route": {"cluster": name, "timeout": "0s", "idle_timeout": _PLENTY, "priority": priority, "retry_policy": retry},
            "response_headers_to_add": [
                _header(ENDPOINT, "%UPSTREAM_HOST%"),
                _header(REPLICA, "%UPSTREAM_METADATA(headrace:replica)%"),
            ],
        }
        for name in relayed(config)
        for of_class, priority in (([{"name": CLASS, "string_match": {"exact": "batch"}}], "DEFAULT"), ([], "HIGH"))
    ]
    gone = {"error": {"message": "This deployment is gone.", "type": "invalid_request_error", "param": None, "code": "model_not_found"}}
    routes.append({"match": {"prefix": "/"}, "direct_response": {"status": 404, "body": {"inline_string": json.dumps(gone)}}})
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": _RETURN_TABLE,
        "request_headers_to_remove": ["accept-encoding", DEPLOYMENT, RESUME, HOLD_S, SILENCE_S, ENGINE],
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
    }


def relay_filters(config: EdgeConfig) -> list[dict[str, Any]]:
    """The filter that takes the replica's name, which only the relay can tell, from the answer into the access log's reach."""
    if not relayed(config):
        return []
    kept = {"metadata_namespace": "headrace", "key": "replica", "type": "STRING"}
    rule = {"header": REPLICA, "on_header_present": kept, "remove": True}
    typed = {"@type": f"{_TYPES}.filters.http.header_to_metadata.v3.Config", "response_rules": [rule]}
    return [{"name": "envoy.filters.http.header_to_metadata", "typed_config": typed}]


def _header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
