"""The listener part of Envoy's configuration: filters, the shape of errors, and the access log that metering reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scheduler.domain.routing import EdgeConfig
from scheduler.edge.envoy_admission import TENANT_PATH, admission
from scheduler.edge.envoy_errors import error_mappers
from scheduler.edge.envoy_relay import relay_filters

MODEL_HEADER = "x-headrace-model"
"""Clients that name the model here spare the edge the reading of the body."""
NAMESPACE = "headrace"
MODEL_STATE = "headrace.model"
"""Where the name that the body gave stands for the routes to look up."""
USAGE_NAMESPACE = "headrace.usage"
SECRETS_FILE = "sds.json"
_CERTIFICATE = "front-door"
JSON_FILTER = "envoy.filters.http.json_to_metadata"
ROUTE_TABLE = "models"
BODY_LIMIT_BYTES = 32 * 1024 * 1024
IDLE_TIMEOUT = "600s"
"""Silence allowed within a stream; a busy engine may take a minute to its first token. There is no total limit."""

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


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """Where one Envoy listens and writes.

    Attributes:
        directory: holds the rendered files; Envoy watches it.
        admin_port: always on loopback.
        access_log: a JSON line for each request.
        certificate, private_key: PEM files; the listener speaks TLS where both are given, and reads them again on change.
        origin: whose requests come in here, as in the deployments' demand. region: whose clusters come first.
    """

    directory: Path
    port: int
    admin_port: int
    access_log: Path
    host: str = "127.0.0.1"
    certificate: Path | None = None
    private_key: Path | None = None
    origin: str = ""
    region: str = ""


def listener(door: FrontDoor, config: EdgeConfig, route_source: dict[str, Any]) -> dict[str, Any]:
    """The front door's listener."""
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "edge",
        "rds": {"route_config_name": ROUTE_TABLE, "config_source": route_source},
        "http_filters": [*admission(config), *relay_filters(config), *_filters()],
        "access_log": [_access_log(str(door.access_log), keys=config.keys is not None)],
        "local_reply_config": {"mappers": error_mappers()},
        "use_remote_address": True,
        "normalize_path": True,
        "server_name": "headrace",
        "stream_idle_timeout": IDLE_TIMEOUT,
        "request_timeout": "120s",
        "request_headers_timeout": "10s",
    }
    chain: dict[str, Any] = {"filters": [{"name": "http", "typed_config": manager}]}
    if door.certificate is not None and door.private_key is not None:
        chain["transport_socket"] = _tls(door)
    return {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "edge",
        "address": {"socket_address": {"address": door.host, "port_value": door.port}},
        "per_connection_buffer_limit_bytes": BODY_LIMIT_BYTES,
        "filter_chains": [chain],
    }


def _tls(door: FrontDoor) -> dict[str, Any]:
    """TLS 1.2 and above. Only certificates that a file of secrets names are read again when they change."""
    source = {"path_config_source": {"path": str(door.directory / SECRETS_FILE)}, "resource_api_version": "V3"}
    common = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [{"name": _CERTIFICATE, "sds_config": source}],
        "alpn_protocols": ["h2", "http/1.1"],
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": common},
    }


def secret(door: FrontDoor) -> dict[str, Any]:
    """Where the certificate and its key lie; files moved into that folder serve the next connection."""
    files = {
        "certificate_chain": {"filename": str(door.certificate)},
        "private_key": {"filename": str(door.private_key)},
        "watched_directory": {"path": str(door.certificate.parent if door.certificate else "")},
    }
    return {"@type": f"{_TYPES}.transport_sockets.tls.v3.Secret", "name": _CERTIFICATE, "tls_certificate": files}


def _filters() -> list[dict[str, Any]]:
    return [
        {"name": JSON_FILTER, "typed_config": json_filter(request=False)},
        {
            # The routes' maps can look up a string of the filter state, and not one of the metadata.
            "name": "envoy.filters.http.set_filter_state",
            "typed_config": {
                "@type": f"{_TYPES}.filters.http.set_filter_state.v3.Config",
                "on_request_headers": [
                    {
                        "object_key": MODEL_STATE,
                        "factory_key": "envoy.string",
                        "format_string": {
                            "text_format_source": {"inline_string": f"%DYNAMIC_METADATA({NAMESPACE}:model)%"},
                            "omit_empty_values": True,
                        },
                        "skip_if_empty": True,
                    }
                ],
            },
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


def _access_log(path: str, *, keys: bool) -> dict[str, Any]:
    """One JSON line a request. ``edge.metering`` is its reader; the names are shared with it."""
    usage = {key: f"%DYNAMIC_METADATA({USAGE_NAMESPACE}:{key})%" for key, _ in _USAGE}
    line = {
        "at": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "model": f"%METADATA(ROUTE:{NAMESPACE}:model)%",
        "tenant": f"%DYNAMIC_METADATA({TENANT_PATH})%" if keys else None,
        "class": "%REQ(X-HEADRACE-CLASS)%",
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
    line = {name: value for name, value in line.items() if value is not None}
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": line},
        },
    }
