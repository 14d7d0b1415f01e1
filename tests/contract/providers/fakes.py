"""A small HTTP server that plays vendors: answers in the vendors' own shapes, on loopback, on order."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What to say. A ``str`` body is sent as it is."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Route = tuple[str, str, Callable[[Asked], Answer]]


class _Quiet(ThreadingHTTPServer):
    """Clients of these tests hang up on purpose."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class FakeVendor:
    """Serves routes (method, path pattern, handler). ``refuse`` answers instead, once per entry, by 'METHOD pattern part'."""

    def __init__(self, routes: list[Route]) -> None:
        self.routes, self.calls, self.refuse = routes, Counter[str](), dict[str, list[Answer]]()
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                vendor._serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                return

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeVendor:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(handler.command, url.path, dict(parse_qsl(url.query)), headers, json.loads(raw) if raw else None)
        answer = self._find(asked)
        body = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body or {}).encode()
        handler.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **answer.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def _find(self, asked: Asked) -> Answer:
        key = f"{asked.method} {asked.path}"
        for part, answers in self.refuse.items():
            if part in key and answers:
                self.calls[part] += 1
                return answers.pop(0)
        for method, pattern, action in self.routes:
            fits = re.fullmatch(pattern, asked.path)
            if method == asked.method and fits:
                self.calls[f"{method} {pattern}"] += 1
                return action(Asked(asked.method, asked.path, asked.query, asked.headers, asked.body, fits.groupdict()))
        return Answer({"error": {"code": 404, "message": f"no route {key}"}}, 404)
