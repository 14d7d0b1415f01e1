"""The market's HTTP face on loopback: cloud APIs for adapters, metadata for machines, an admin API for people and tests.

Turns requests into calls of the estate and results into JSON; decides nothing. Standard library only, so that the process
starts in a fraction of a second. Everything but metadata wants the bearer token; metadata, as in a real cloud, is for whoever
is on the machine.
"""

from __future__ import annotations

import hmac
import json
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import structlog

from providers.simulated.api import ApiError, Call, HangUpError, MarketApi
from providers.simulated.estate import Estate
from providers.simulated.holding import RefusedError
from providers.simulated.metadata import MetadataRequest, answer
from providers.simulated.wire import Json
from scheduler.domain.errors import InvalidInputError, NoSuchError

BODY_BYTES_MAX = 1_000_000
log = structlog.get_logger("market")


class MarketServer(ThreadingHTTPServer):
    """Serves one estate. Bound to loopback only: its API starts processes."""

    daemon_threads = True

    def __init__(self, port: int, estate: Estate, token: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.token = token
        self.api = MarketApi(estate, self.url)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no event; anything else is."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            log.exception("connection_failed", client=str(client_address))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    """HTTP in, HTTP out."""

    server: MarketServer
    protocol_version: ClassVar[str] = "HTTP/1.1"  # type: ignore[misc]
    timeout = 60

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        try:
            body = self._body()
            if url.path.startswith("/machines/"):
                self._metadata(url.path, query)
                return
            expected = f"Bearer {self.server.token}"
            if not hmac.compare_digest(self.headers.get("Authorization", "").encode(), expected.encode()):
                raise ApiError(401, "unauthorized", "bearer token missing or wrong; see file token in the market's state directory")
            self._send(200, self.server.api.handle(Call(self.command, url.path, query, body)))
        except HangUpError:
            self.close_connection = True
        except ApiError as error:
            self._send(error.status, {"code": error.code, "message": str(error)}, error.retry_after_s)
        except NoSuchError as error:
            self._send(404, {"code": "not_found", "message": str(error)})
        except InvalidInputError as error:
            self._send(400, {"code": "bad_request", "message": str(error)})
        except RefusedError as error:
            self._send(409, {"code": error.refusal.value, "message": str(error)})
        except Exception as error:
            log.exception("request_failed", path=url.path)
            self._send(500, {"code": "internal", "message": type(error).__name__})

    def _body(self) -> Json:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            raise ApiError(413, "too_large", f"a body has at most {BODY_BYTES_MAX} bytes")
        raw = self.rfile.read(length) if length else b""
        if not raw or self.path.startswith("/machines/"):
            return {}
        try:
            parsed = json.loads(raw)
        except ValueError as error:
            raise ApiError(400, "bad_request", f"the body is not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise ApiError(400, "bad_request", "the body is not a JSON object")
        return parsed

    def _metadata(self, path: str, query: Mapping[str, str]) -> None:
        _, _, machine_id, rest = path.split("/", 3) if path.count("/") >= 3 else ("", "", path.rsplit("/", 1)[-1], "")
        machine = self.server.api.estate.machine(machine_id)
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = answer(machine.cloud, machine.holding, MetadataRequest(self.command, f"/{rest}", query, headers))
        self._write(reply.status, reply.body.encode(), reply.content_type)

    def _send(self, status: int, body: Json, retry_after_s: float | None = None) -> None:
        self._write(status, json.dumps(body).encode(), "application/json", retry_after_s)

    def _write(self, status: int, body: bytes, content_type: str, retry_after_s: float | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if retry_after_s is not None:
            self.send_header("Retry-After", f"{retry_after_s:g}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Silent: what matters is logged as an event where it happens."""
