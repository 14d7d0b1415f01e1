"""A small HTTP server that plays vendors: answers in the vendors' own shapes, on loopback, and makes trouble on order."""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from simulations.vendors.answers import SLOW_BYTE_S, Answer, Asked, asked_by, nulled, send

HTML = "<!doctype html><html><body><h1>We'll be right back</h1></body></html>"


Route = tuple[str, str, Callable[[Asked], Answer]]


class Trouble(StrEnum):
    """What can go wrong between a vendor's program and ours."""

    UNAUTHORISED = "401"
    RATE_LIMITED_WAIT = "429 with Retry-After"
    RATE_LIMITED = "429 without Retry-After"
    SERVER_ERROR = "500"
    UNAVAILABLE = "503"
    HTML = "HTML instead of JSON"
    TRUNCATED = "truncated body"
    SLOW = "body a byte at a time"
    RESET = "connection reset"
    NULL = "null where a list belongs"


@dataclass
class Mischief:
    """Trouble for chosen requests.

    Attributes:
        hits: which requests. times: how many of them, after the first ``skip``.
        after: the request is carried out before its answer is spoilt.
    """

    trouble: Trouble
    hits: Callable[[Asked], bool]
    times: int = 1_000_000
    skip: int = 0
    after: bool = False

    def takes(self, asked: Asked) -> bool:
        """Whether this request is hit; counts it."""
        if self.times <= 0 or not self.hits(asked):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class _Quiet(ThreadingHTTPServer):
    """Its clients hang up on purpose."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class FakeVendor:
    """Serves routes (method, path pattern, handler) on loopback while entered.

    Attributes:
        refuse: answers given instead, once per entry, by 'METHOD pattern part'.
        mischief: trouble to make. spoilt: how the vendor words an error status; receives 401, 429, 500 or 503.
        check: sees every honest request and answer; what it raises is kept in ``violations``.
        latency_s: added to every answer. calls: requests by route.
    """

    def __init__(
        self,
        routes: list[Route],
        *,
        spoilt: Callable[[int], Answer] = lambda status: Answer({"message": f"HTTP {status}"}, status),
        check: Callable[[Asked, Answer], None] = lambda asked, answer: None,
        latency_s: float = 0.0,
    ) -> None:
        self.routes, self.calls, self.refuse = routes, Counter[str](), dict[str, list[Answer]]()
        self.mischief: list[Mischief] = []
        self.violations: list[str] = []
        self._spoilt, self._check, self._latency_s = spoilt, check, latency_s
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                vendor._serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                return

        self._server = _Quiet(("127.0.0.1", 0), Handler)
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
        asked = asked_by(handler)
        time.sleep(self._latency_s)
        mischief = next((each for each in self.mischief if each.takes(asked)), None)
        if mischief is None or mischief.after:
            answer = self._find(asked)
        else:
            answer = self._find(asked) if mischief.trouble in (Trouble.TRUNCATED, Trouble.SLOW, Trouble.NULL) else Answer()
        if mischief is None:
            send(handler, answer)
        else:
            self._spoil(handler, mischief.trouble, answer)

    def _spoil(self, handler: BaseHTTPRequestHandler, trouble: Trouble, answer: Answer) -> None:
        match trouble:
            case Trouble.RESET:
                handler.connection.shutdown(socket.SHUT_RDWR)
                handler.close_connection = True
            case Trouble.HTML:
                send(handler, Answer(HTML, 200, {"Content-Type": "text/html"}))
            case Trouble.NULL:
                send(handler, replace(answer, body=nulled(answer.body)))
            case Trouble.TRUNCATED:
                send(handler, answer, cut=True)
            case Trouble.SLOW:
                send(handler, answer, byte_s=SLOW_BYTE_S)
            case Trouble.RATE_LIMITED_WAIT:
                spoilt = self._spoilt(429)
                send(handler, replace(spoilt, headers={**spoilt.headers, "Retry-After": "1"}))
            case Trouble.RATE_LIMITED:
                send(handler, self._spoilt(429))
            case Trouble.UNAUTHORISED:
                send(handler, self._spoilt(401))
            case Trouble.SERVER_ERROR:
                send(handler, self._spoilt(500))
            case Trouble.UNAVAILABLE:
                send(handler, self._spoilt(503))

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
                return self._checked(replace(asked, parts=fits.groupdict()), action)
        self.violations.append(f"no such call: {key}")
        return Answer({"error": {"code": 404, "message": f"no route {key}"}}, 404)

    def _checked(self, asked: Asked, action: Callable[[Asked], Answer]) -> Answer:
        try:
            answer = action(asked)
            self._check(asked, answer)
        except Exception as error:
            self.violations.append(f"{asked.method} {asked.path}: {type(error).__name__}: {error}")
            return Answer({"error": {"code": "fake", "message": str(error)}}, 500)
        return answer
