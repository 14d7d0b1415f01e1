"""The listener part of Envoy's configuration: filters, the shape of errors, and the access log that metering reads."""

from __future__ import annotations

from typing import Any

from scheduler.edge.envoy_relay import replica_from_relay

MODEL_HEADER = "x-headrace-model"
"""Clients that name the model here spare the edge the reading of the body."""
NAMESPACE = "headrace"
USAGE_NAMESPACE = "headrace.usage"
JSON_FILTER = "envoy.filters.http.json_to_metadata"
ROUTE_TABLE = "models"
BODY_LIMIT_BYTES = 32 * 1024 * 1024
IDLE_TIMEOUT = "600s"
"""Silence allowed within a stream; a busy engine may take a minute to its first token. There is no total limit."""
RETRY_AFTER_S = "2"

_TYPES = "type.googleapis.com/envoy.extensions"
_USAGE = (
    # OpenAI's usage object; engines send it with every answer, and in streams where usage is forced.
    ("input", ("usage", "prompt_tokens")),
    ("output", ("usage", "completion_tokens")),
    # llama.cpp can't be made to send usage in a stream, but its last event carries these.
    ("timed_input", ("timings", "prompt_n")),
    ("timed_cached", ("timings", "cache_n")),
    ("timed_output", ("timings", "predicted_n")),
)


def listener(host: str, port: int, access_log: str, route_source: dict[str, Any]) -> dict[str, Any]:
    """The front door's listener."""
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "rds": {"route_config_name": ROUTE_TABLE, "config_source": route_source},
        "http_filters": _filters(),
        "access_log": [_access_log(access_log)],
        "local_reply_config": error_replies(),
        "use_remote_address": True,
        "normalize_path": True,
        "server_name": "headrace",
        "stream_idle_timeout": IDLE_TIMEOUT,
        "request_timeout": "120s",
        "request_headers_timeout": "10s",
    }
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "edge",
        "address": {"socket_address": {"address": host, "port_value": port}},
        "per_connection_buffer_limit_bytes": BODY_LIMIT_BYTES,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _filters() -> list[dict[str, Any]]:
    return [
        {
            "name": "envoy.filters.http.header_to_metadata",
            "typed_config": {
                "@type": f"{_TYPES}.filters.http.header_to_metadata.v3.Config",
                "request_rules": [
                    {"header": MODEL_HEADER, "on_header_present": {"metadata_namespace": NAMESPACE, "key": "model", "type": "STRING"}}
                ],
                "response_rules": [replica_from_relay()],
            },
        },
        {
            "name": JSON_FILTER,
            "typed_config": json_filter(request=True),
        },
        {
            "name": "envoy.filters.http.sse_to_metadata",
            "typed_config": {
                "@type": f"{_TYPES}.filters.http.sse_to_metadata.v3.SseToMetadata",
                "response_rules": {
                    "content_parser": {
                        "name": "envoy.content_parsers.json",
                        "typed_config": {
                            "@type": f"{_TYPES}.content_parsers.json.v3.JsonContentParser",
                            "rules": [{"rule": _usage_rule(key, path)} for key, path in _USAGE],
                        },
                    },
                    "max_event_size": 1024 * 1024,
                },
            },
        },
        {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}},
    ]


def json_filter(*, request: bool) -> dict[str, Any]:
    """The filter that reads the usage of plain answers and, if asked, the model's name of request bodies."""
    # Clients and engines (llama.cpp) may name a character set; Envoy compares the whole header.
    of_json = {"allow_content_types_regex": {"google_re2": {}, "regex": r"(?i)application/json(\s*;.*)?"}}
    rules: dict[str, Any] = {"response_rules": {"rules": [_usage_rule(key, path) for key, path in _USAGE], **of_json}}
    if request:
        named = {"metadata_namespace": NAMESPACE, "key": "model", "preserve_existing_metadata_value": True}
        rules["request_rules"] = {
            "rules": [{"selectors": [{"key": "model"}], "on_present": named}],
            **of_json,
            "allow_empty_content_type": True,
        }
    return {"@type": f"{_TYPES}.filters.http.json_to_metadata.v3.JsonToMetadata", **rules}


def _usage_rule(key: str, path: tuple[str, ...]) -> dict[str, Any]:
    return {
        "selectors": [{"key": part} for part in path],
        "on_present": {"metadata_namespace": USAGE_NAMESPACE, "key": key, "type": "NUMBER"},
    }


def openai_error(message: str, kind: str, code: str, param: str | None = None) -> dict[str, Any]:
    """An error body as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_replies() -> dict[str, Any]:
    """Errors of Envoy's own making, in the shape that clients read."""
    return {"mappers": _error_mappers()}


def _error_mappers() -> list[dict[str, Any]]:
    """Errors that Envoy itself answers, by their cause. Direct responses carry no flag and stay as they are."""
    overloaded = openai_error("Too many requests are waiting for this model; try again soon.", "rate_limit_error", "overloaded")
    unavailable = openai_error("No replica of this model is ready; try again soon.", "server_error", "no_ready_replica")
    failed = openai_error("The replica could not be reached or broke off; try again.", "server_error", "replica_failed")
    too_large = openai_error("The request body is larger than 32 MiB.", "invalid_request_error", "request_too_large")
    return [
        _mapper(_flags("UO"), overloaded, status=429),
        _mapper(_flags("UH", "NC"), unavailable, status=503),
        _mapper(_flags("UF", "UC", "UR", "URX", "UT", "LR"), failed, status=503),
        _mapper(_status(413), too_large, status=413, retry=False),
    ]


def _flags(*flags: str) -> dict[str, Any]:
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(code: int) -> dict[str, Any]:
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": code, "runtime_key": "edge.unused"}}}}


def _mapper(condition: dict[str, Any], body: dict[str, Any], *, status: int, retry: bool = True) -> dict[str, Any]:
    mapper: dict[str, Any] = {"filter": condition, "status_code": status, "body_format_override": {"json_format": body}}
    if retry:
        mapper["headers_to_add"] = [
            {"header": {"key": "retry-after", "value": RETRY_AFTER_S}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ]
    return mapper


def _access_log(path: str) -> dict[str, Any]:
    """One JSON line a request. ``edge.metering`` is its reader; the names are shared with it."""
    usage = {key: f"%DYNAMIC_METADATA({USAGE_NAMESPACE}:{key})%" for key, _ in _USAGE}
    line = {
        "at": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "model": f"%DYNAMIC_METADATA({NAMESPACE}:model)%",
        "deployment": "%UPSTREAM_CLUSTER_RAW%",
        "replica": "%UPSTREAM_METADATA(headrace:replica)%",
        "relayed_replica": f"%DYNAMIC_METADATA({NAMESPACE}:replica)%",
        "host": "%UPSTREAM_HOST%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "duration_ms": "%DURATION%",
        "first_byte_ms": "%RESPONSE_DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "usage": usage,
    }
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": line},
        },
    }
