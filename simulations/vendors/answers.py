"""Requests and answers of played vendors, and how they are read and written: whole, cut short, slowly, or made while they are sent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

SLOW_BYTE_S = 0.25


@dataclass(frozen=True)
class Asked:
    """One request as it arrived. ``parts`` are the named groups of the route's pattern, ``raw`` the body's bytes."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    parts: Mapping[str, str] = field(default_factory=dict)
    raw: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What to say. A ``str`` body is sent as it is, a ``Stream`` while it is made."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """A body too big to hold: ``size`` bytes that ``parts`` makes one after the other, while they are sent."""

    size: int
    parts: Callable[[], Iterator[bytes]]


def asked_by(handler: BaseHTTPRequestHandler) -> Asked:
    """The request, read whole."""
    url = urlsplit(handler.path)
    raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    headers = {name.lower(): value for name, value in handler.headers.items()}
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = dict(parse_qsl(raw.decode(errors="replace")))
    return Asked(handler.command, url.path, dict(parse_qsl(url.query, keep_blank_values=True)), headers, body, raw=raw)


def send(handler: BaseHTTPRequestHandler, answer: Answer, *, cut: bool = False, byte_s: float = 0.0) -> None:
    """Write an answer: whole, only its first half, or so slowly that it never ends."""
    if isinstance(answer.body, Stream):
        _stream(handler, answer, answer.body, cut=cut, byte_s=byte_s)
        return
    body = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body if answer.body is not None else {}).encode()
    _head(handler, answer, len(body))
    if cut:
        handler.wfile.write(body[: len(body) // 2])
        handler.close_connection = True
        return
    if not byte_s:
        handler.wfile.write(body)
        return
    _drip(handler, body, byte_s)


def _head(handler: BaseHTTPRequestHandler, answer: Answer, size: int) -> None:
    handler.send_response(answer.status)
    for name, value in {"Content-Type": "application/json", "Content-Length": str(size), **answer.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()


def _stream(handler: BaseHTTPRequestHandler, answer: Answer, body: Stream, *, cut: bool, byte_s: float) -> None:
    _head(handler, answer, body.size)
    left = body.size // 2 if cut else body.size
    for part in body.parts():
        if byte_s:
            _drip(handler, part, byte_s)
        handler.wfile.write(part[:left])
        left -= min(left, len(part))
        if not left:
            break
    handler.close_connection = cut


def _drip(handler: BaseHTTPRequestHandler, body: bytes, byte_s: float) -> None:
    for byte in body:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(byte_s)


def nulled(body: Any) -> Any:
    """The answer with every list or map at its top gone."""
    if isinstance(body, dict):
        return {key: None if isinstance(value, list | dict) else value for key, value in body.items()}
    return None
