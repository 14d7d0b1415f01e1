"""The forms of what passes through: headers that travel on, and refusals in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from scheduler.relay.request import HEADERS

BODY_BYTES_MAX = 32 * 1024 * 1024
RETRY_AFTER_S = 2
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host", "expect"}
)
_OF_THE_EDGE = frozenset({"server", "date", f"{HEADERS}endpoint", f"{HEADERS}go-to"})


def sent_headers(headers: CIMultiDictProxy[str], deployment: str) -> CIMultiDict[str]:
    """The client's headers, with deployment and class instead of everything else that Envoy told."""
    kept = _kept(headers, ("x-envoy-", HEADERS))
    kept[f"{HEADERS}deployment"] = deployment
    if of_class := headers.get(f"{HEADERS}class"):
        kept[f"{HEADERS}class"] = of_class
    return kept


def passed_headers(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The replica's headers; its name goes as far as Envoy, which takes it out."""
    return _kept(headers, ("x-envoy-",), _OF_THE_EDGE)


def _kept(headers: CIMultiDictProxy[str], prefixes: tuple[str, ...], names: frozenset[str] = frozenset()) -> CIMultiDict[str]:
    return CIMultiDict(
        (name, value)
        for name, value in headers.items()
        if (low := name.lower()) not in _HOP_BY_HOP and low not in names and not low.startswith(prefixes)
    )


def is_event_stream(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("text/event-stream")


def refusal(status: int, message: str, kind: str, code: str) -> web.Response:
    """An error that OpenAI's clients can read; those that pass say when to come back."""
    again = {"retry-after": str(RETRY_AFTER_S)} if status in (408, 429, 503) else {}
    error = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return web.json_response(error, status=status, headers=again)


def hides_a_loss(status: int, data: bytes) -> bool:
    """Whether an answer means that its replica was lost: the edge says so, or a 200 holds an error instead of an answer."""
    if status == 503:
        return b'"replica_failed"' in data
    return status == 200 and data[:200].lstrip().startswith((b'{"error"', b'{ "error"'))
