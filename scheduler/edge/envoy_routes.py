"""The route part of Envoy's configuration: which name leads to which deployments, and what an unknown name is told.

Names are looked up in maps, so that a request's cost does not grow with the number of models: one map for names in the
header, one for names in the body (which the listener has put into the filter state by then), one for names in the path;
each once for interactive and once for batch requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeRoute
from scheduler.edge.envoy_errors import openai_error
from scheduler.edge.envoy_listener import JSON_FILTER, MODEL_HEADER, MODEL_STATE, NAMESPACE, ROUTE_TABLE, json_filter
from scheduler.edge.envoy_relay import relayed, through_relay

CLASS_HEADER = "x-headrace-class"
"""``batch`` leaves capacity to everyone else; anything else is interactive."""
BATCH = "batch"
_JSON_HEADER = {"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
_API = "/v1/"
_NAMED = "/m/"
_HEADER_INPUT = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
_ANYTHING: dict[str, Any] = {"safe_regex": {"google_re2": {}, "regex": ".+"}}
_MODELS: dict[str, Any] = {"safe_regex": {"google_re2": {}, "regex": r"/v1/models(\?.*)?"}}
_STATE_INPUT = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.FilterStateInput"


def route_table(config: EdgeConfig) -> dict[str, Any]:
    """All routes, first match wins: the fixed answers, the names by class, then the refusals."""
    fixed = [
        _when([_path({"exact": "/healthz"})], _reply(200, {"status": "ok"})),
        _when([_path(_MODELS), _header(":method", {"exact": "GET"})], _reply(200, _model_list(config))),
    ]
    batch = _header(CLASS_HEADER, {"exact": BATCH})
    named: list[dict[str, Any]] = []
    for conditions, priority in (([batch], "DEFAULT"), ([], "HIGH")):
        if config.routes:
            named.append(_among([_path({"prefix": _API}), *conditions], _by_name(config, priority)))
            named.append(_among([_path({"prefix": _NAMED}), *conditions], _by_path(config, priority)))
    return {
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTE_TABLE,
        "max_direct_response_body_size_bytes": 4 * 1024 * 1024,
        # A compressed answer could not be metered.
        "request_headers_to_remove": ["accept-encoding"],
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "retry_policy": retry_policy(),
                "matcher": {"matcher_list": {"matchers": [*fixed, *named, *_refusals()]}, "on_no_match": _do(_nothing_here())},
            }
        ],
    }


def _by_name(config: EdgeConfig, priority: str) -> dict[str, Any]:
    """The header's name, or else the body's. Only where the header names nothing is the body held back and read."""
    through = relayed(config)
    names = {route.model_name: _do(_forward(route, priority, through)) for route in config.routes}
    by_body = {"matcher_tree": {"input": _input("state", _STATE_INPUT, key=MODEL_STATE), "exact_match_map": {"map": names}}}
    by_header = {"input": _input("header", _HEADER_INPUT, header_name=MODEL_HEADER), "exact_match_map": {"map": names}}
    return {"matcher_tree": by_header, "on_no_match": {"matcher": by_body}}


def _by_path(config: EdgeConfig, priority: str) -> dict[str, Any]:
    """``/m/NAME/v1/...`` is passed on as ``/v1/...``; a name's slashes may stand as they are or be escaped."""
    names: dict[str, Any] = {}
    through = relayed(config)
    for route in config.routes:
        for written in {quote(route.model_name, safe="/"), quote(route.model_name, safe="")}:
            prefix = f"{_NAMED}{written}{_API}"
            names[prefix] = _do(_forward(route, priority, through, prefix))
    return {"matcher_tree": {"input": _input("path", _HEADER_INPUT, header_name=":path"), "prefix_match_map": {"map": names}}}


def _forward(route: EdgeRoute, priority: str, through: Mapping[str, EdgeBackend], prefix: str = _API) -> dict[str, Any]:
    """Where the request goes. The priority is the class: the circuit breakers of a cluster count each by itself."""
    target: dict[str, Any] = {"cluster": route.backends[0][0]}
    if len(route.backends) > 1:
        target = {"weighted_clusters": {"clusters": [{"name": name, "weight": share} for name, share in route.backends]}}
    if prefix != _API:
        target["prefix_rewrite"] = _API
    forward: dict[str, Any] = {
        "match": {"prefix": prefix},
        "route": {**target, "timeout": "0s", "priority": priority},
        "metadata": {"filter_metadata": {NAMESPACE: {"model": route.model_name}}},
    }
    return through_relay(forward, through, retry_policy())


def retry_policy() -> dict[str, Any]:
    """How a request is tried again.

    A retry happens only while nothing of the answer was passed on: Envoy can't retry once it has forwarded headers, so a
    stream that began is never repeated. ``reset`` covers an engine that dies before its headers; two retries bound what
    a request that kills its engine can do.
    """
    return {
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
    }


def _input(name: str, kind: str, **fields: str) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": kind, **fields}}


def _header(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"single_predicate": {"input": _input(name, _HEADER_INPUT, header_name=name), "value_match": value}}


def _path(value: dict[str, Any]) -> dict[str, Any]:
    return _header(":path", value)


def _all(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return conditions[0] if len(conditions) == 1 else {"and_matcher": {"predicate": conditions}}


def _when(conditions: list[dict[str, Any]], route: dict[str, Any]) -> dict[str, Any]:
    return {"predicate": _all(conditions), "on_match": _do(route)}


def _among(conditions: list[dict[str, Any]], matcher: dict[str, Any]) -> dict[str, Any]:
    return {"predicate": _all(conditions), "on_match": {"matcher": matcher}}


def _do(route: dict[str, Any]) -> dict[str, Any]:
    action = {"@type": "type.googleapis.com/envoy.config.route.v3.Route", **route}
    return {"action": {"name": "route", "typed_config": action}}


def _model_list(config: EdgeConfig) -> dict[str, Any]:
    """OpenAI's list of models: every public name."""
    return {
        "object": "list",
        "data": [{"id": route.model_name, "object": "model", "created": 0, "owned_by": "headrace"} for route in config.routes],
    }


def _reply(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "match": {"prefix": "/"},
        "direct_response": {"status": status, "body": {"inline_string": json.dumps(body)}},
        "response_headers_to_add": [_JSON_HEADER],
    }


def _refusals() -> list[dict[str, Any]]:
    unknown = openai_error(
        "The model named in the request does not exist here; GET /v1/models lists those that do.",
        "invalid_request_error",
        "model_not_found",
        "model",
    )
    missing = openai_error(
        f"Name a model in the JSON body or in the header {MODEL_HEADER}.", "invalid_request_error", "model_missing", "model"
    )
    in_body = {"input": _input("state", _STATE_INPUT, key=MODEL_STATE), "value_match": _ANYTHING}
    # The route that a request is on before its body is read: here, and only here, the body is held back and read.
    reading = {**_reply(400, missing), "typed_per_filter_config": {JSON_FILTER: json_filter(request=True)}}
    return [
        _when([_path({"prefix": _NAMED})], _reply(404, unknown)),
        _when([_path({"prefix": _API}), _header(MODEL_HEADER, _ANYTHING)], _reply(404, unknown)),
        _when([_path({"prefix": _API}), {"single_predicate": in_body}], _reply(404, unknown)),
        _when([_path({"prefix": _API})], reading),
    ]


def _nothing_here() -> dict[str, Any]:
    return _reply(404, openai_error("There is nothing at this path; the API is below /v1/.", "invalid_request_error", "not_found"))
