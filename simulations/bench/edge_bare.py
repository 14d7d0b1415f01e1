"""The peer and the backend of the edge's benchmark: Envoy with nothing but a listener and a direct answer or one static cluster."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scheduler.edge.envoy import BOOTSTRAP
from scheduler.edge.process import envoy_command

_TYPES = "type.googleapis.com/envoy.extensions"
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "ok"}}], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}


def bare_bootstrap(port: int, backend: int | None, host: str = "127.0.0.1", name: str = "ok") -> bytes:
    """Envoy's one file: it answers by itself where ``backend`` is None, else it passes everything on to that port."""
    answer = {**ANSWER, "id": name}
    direct = {
        "direct_response": {"status": 200, "body": {"inline_string": json.dumps(answer)}},
        "response_headers_to_add": [
            {"header": {"key": "content-type", "value": "application/json"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    }
    action: dict[str, Any] = direct if backend is None else {"route": {"cluster": "only", "timeout": "0s"}}
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"}}],
    }
    listener = {
        "name": "bare",
        "address": {"socket_address": {"address": host, "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": [] if backend is None else [_cluster(backend)]}}).encode()


def _cluster(backend: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": backend}}}}
    return {
        "name": "only",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": "only", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def envoy(folder: Path, bootstrap: bytes) -> Iterator[int]:
    """One Envoy with one worker; its process id."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BOOTSTRAP).write_bytes(bootstrap)
    argv, env = envoy_command(folder, os.environ, concurrency=1)
    with (folder / "envoy.log").open("wb") as output:
        process = subprocess.Popen(argv, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(15)
