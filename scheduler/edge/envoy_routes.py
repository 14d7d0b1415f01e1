"""The route part of Envoy's configuration: which name leads to which deployments, and what an unknown name is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeRoute
from scheduler.edge.envoy_listener import IDLE_TIMEOUT, JSON_FILTER, MODEL_HEADER, NAMESPACE, ROUTE_TABLE, json_filter, openai_error
from scheduler.edge.envoy_relay import fall_back, policy_headers, relayed, through_relay

_JSON_HEADER = {"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
_API = "/v1/"


def route_table(config: EdgeConfig) -> dict[str, Any]:
    """All routes, first match wins: the header's name, the body's name, then the refusals."""
    routes = [_reply("/healthz", 200, {"status": "ok"}), _reply("/v1/models", 200, _model_list(config), method="GET")]
    through = relayed(config)
    for route in config.routes:
        told = policy_headers(through[route.backends[0][0]]) if len(route.backends) == 1 and route.backends[0][0] in through else []
        headers = {"request_headers_to_add": told} if told else {}
        routes.append({**_by_header(route, through), **headers})
        routes.append({**_by_body(route, through), **headers})
    routes += [_unknown_model(), _missing_model(), _nothing_here()]
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTE_TABLE,
        "max_direct_response_body_size_bytes": 4 * 1024 * 1024,
        # A compressed answer could not be metered.
        "request_headers_to_remove": ["accept-encoding"],
        "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
    }


def _by_header(route: EdgeRoute, through: Mapping[str, EdgeBackend]) -> dict[str, Any]:
    """The body need not be held back and read where the header says it all; the answer is still read for its usage."""
    match = {"prefix": _API, "headers": [{"name": MODEL_HEADER, "string_match": {"exact": route.model_name}}]}
    return {"match": match, "route": _action(route, through), "typed_per_filter_config": {JSON_FILTER: json_filter(request=False)}}


def _by_body(route: EdgeRoute, through: Mapping[str, EdgeBackend]) -> dict[str, Any]:
    return {
        "match": {"prefix": _API, "dynamic_metadata": [_model_is({"string_match": {"exact": route.model_name}})]},
        "route": _action(route, through),
    }


def _model_is(value: dict[str, Any]) -> dict[str, Any]:
    return {"filter": NAMESPACE, "path": [{"key": "model"}], "value": value}


def straight_action(deployment: str) -> dict[str, Any]:
    """What is done with a request that goes to a deployment's replicas and nowhere else."""
    return _action(EdgeRoute(deployment, ((deployment, 100),)), {})


def _action(route: EdgeRoute, through: Mapping[str, EdgeBackend]) -> dict[str, Any]:
    """Where the request goes, and how it is tried again.

    A retry happens only while nothing of the answer was passed on: Envoy can't retry once it has forwarded headers, so a
    stream that began is never repeated. ``reset`` covers an engine that dies before its headers; two retries bound what
    a request that kills its engine can do.
    """
    target: dict[str, Any] = {"cluster": route.backends[0][0]}
    if len(route.backends) > 1:
        target = {"weighted_clusters": {"clusters": [{"name": name, "weight": share} for name, share in route.backends]}}
    action = {
        **through_relay(target, through),
        "timeout": "0s",
        "idle_timeout": IDLE_TIMEOUT,
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request,reset,retriable-status-codes",
            "retriable_status_codes": [503],
            "num_retries": 2,
            "retry_host_predicate": [
                {
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
                }
            ],
            "host_selection_retry_max_attempts": 8,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        },
    }
    return fall_back(action) if any(name in through for name, _ in route.backends) else action


def _model_list(config: EdgeConfig) -> dict[str, Any]:
    """OpenAI's list of models: every public name."""
    return {
        "object": "list",
        "data": [{"id": route.model_name, "object": "model", "created": 0, "owned_by": "headrace"} for route in config.routes],
    }


def _reply(path: str, status: int, body: dict[str, Any], method: str = "") -> dict[str, Any]:
    match: dict[str, Any] = {"path": path}
    if method:
        match["headers"] = [{"name": ":method", "string_match": {"exact": method}}]
    return {"match": match, **_direct(status, {"body": {"inline_string": json.dumps(body)}})}


def _direct(status: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"direct_response": {"status": status, **content}, "response_headers_to_add": [_JSON_HEADER]}


def _unknown_model() -> dict[str, Any]:
    error = openai_error(
        "The model named in the request does not exist here; GET /v1/models lists those that do.",
        "invalid_request_error",
        "model_not_found",
        "model",
    )
    named = {"prefix": _API, "dynamic_metadata": [_model_is({"present_match": True})]}
    return {"match": named, **_direct(404, {"body": {"inline_string": json.dumps(error)}})}


def _missing_model() -> dict[str, Any]:
    error = openai_error(
        f"Name a model in the JSON body or in the header {MODEL_HEADER}.", "invalid_request_error", "model_missing", "model"
    )
    return {"match": {"prefix": _API}, **_direct(400, {"body": {"inline_string": json.dumps(error)}})}


def _nothing_here() -> dict[str, Any]:
    error = openai_error("There is nothing at this path; the API is below /v1/.", "invalid_request_error", "not_found")
    return {"match": {"prefix": "/"}, **_direct(404, {"body": {"inline_string": json.dumps(error)}})}
