"""One thin JSON-over-HTTP client for all REST clouds: time limits, retries of reads, and statuses as domain errors.

Knows HTTP and the domain's error family, no vendor. Reads are retried a bounded number of times and honour ``Retry-After``;
anything that changes the world is sent once.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
import stamina

from providers.errors import ErrorTable
from scheduler.domain.errors import InvalidInputError, ProviderDataError, RateLimitedError, TransientError
from scheduler.domain.ports import Budget, Pace

BODY_BYTES_MAX = 64 * 2**20
RETRY_AFTER_S_MAX = 30.0
"""A vendor that asks for a longer wait gets it from the collector's next poll, not from a call that blocks."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

Json = Any
"""A decoded JSON document; parsers check its shape."""

Told = Callable[[Mapping[str, Any]], tuple[str, str]]
"""Reads (code, message) out of an error's body."""

Opened = Callable[[Json], Json]
"""Takes a good answer out of its envelope; raises what an error inside means, for vendors that refuse with HTTP 200."""

Heard = Callable[[Mapping[str, str]], None]
"""Receives the headers of a good answer: some vendors name the next page there."""


def checked_endpoint(field: str, endpoint: str) -> str:
    """An endpoint without trailing slash.

    Raises:
        InvalidInputError: not http(s), or plain http to another machine.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInputError(field, endpoint, "not an http(s) URL", "Write https://host[:port].")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise InvalidInputError(field, endpoint, "plain http to another machine", "Use https; plain http is for loopback only.")
    return endpoint.rstrip("/")


def told(body: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message in the shapes that most vendors use: at the top, under ``error``, or first of ``errors``; ("", "") if none."""
    inner = body.get("error") or body.get("errors") or body
    if isinstance(inner, list):
        inner = inner[0] if inner else {}
    if not isinstance(inner, Mapping):
        return "", str(inner)
    code = inner.get("code") or inner.get("id") or inner.get("type") or body.get("code") or ""
    message = inner.get("message") or inner.get("detail") or inner.get("reason") or body.get("message") or ""
    return str(code), str(message)


class _UnreadableError(ProviderDataError):
    """A success whose body cannot be read."""


class JsonHttp:
    """A client for one provider account. Holds no connection between calls, so it belongs to no event loop."""

    def __init__(
        self,
        errors: ErrorTable,
        endpoint: str,
        headers: Callable[[], Mapping[str, str]] = dict,
        *,
        told: Told = told,
        opened: Opened = lambda body: body,
        auth: Callable[[], httpx2.Auth] | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
        pace: Pace | None = None,
        budget: Budget | None = None,
        timeout_s: float = 30.0,
        attempts: int = 3,
    ) -> None:
        """A client that speaks for one account.

        Args:
            headers: called for each request; raises AuthError where credentials are missing. auth: the same for signed requests.
            tls: whom to trust and as whom to appear, for endpoints with a certificate authority of their own.
            pace, budget: every request takes its turn there first.
            timeout_s: for one whole request, answer included.
        """
        self._errors, self._endpoint, self._told = errors, checked_endpoint("endpoint", endpoint), told
        self._opened = opened
        self._headers, self._auth, self._tls = headers, auth, tls or world_trust
        self._pace, self._budget = pace, budget
        self._timeout_s, self._attempts = timeout_s, attempts

    async def read(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        heard: Heard | None = None,
    ) -> Json:
        """Ask for something, retried. ``method`` and ``body`` are for vendors that search by POST. Raises the ProviderError family."""
        async for attempt in stamina.retry_context(on=retry_read, attempts=self._attempts, timeout=120.0, wait_max=RETRY_AFTER_S_MAX):
            with attempt:
                return await self._send(method, path, params=params, body=body, headers=headers, heard=heard, budget=budget)
        raise AssertionError("stamina returns or raises")

    async def once(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        heard: Heard | None = None,
        budget: Budget | None = None,
        text: bool = False,
    ) -> Json:
        """One request that changes something, never repeated.

        Args:
            body: sent as JSON; bytes are sent as they are.
            headers: of this request alone, such as an idempotency key.
            budget: a tighter one for this call, beside the account's.
            text: a success is plain text, such as an id by itself.

        Raises:
            TransientError: no answer, an unreadable one, or 5xx; after a launch, look for its token first.
            AuthError, NotFoundError, RateLimitedError, ProviderDataError: by status, or what the vendor's code means.
        """
        try:
            return await self._send(method, path, params=params, body=body, headers=headers, heard=heard, budget=budget, text=text)
        except _UnreadableError as error:
            raise TransientError(self._errors.provider, f"perhaps carried out: {error}") from error

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        heard: Heard | None = None,
        budget: Budget | None = None,
        text: bool = False,
    ) -> Json:
        url = path if path.startswith(("http://", "https://")) else self._endpoint + path
        checked_endpoint("next page", url)
        for turn in (self._budget, budget):
            if self._pace is not None and turn is not None:
                await self._pace.take(turn)
        loopback = urlsplit(url).hostname in LOOPBACK
        sent = {"Accept": "application/json", **self._headers(), **(headers or {})}
        auth = self._auth() if self._auth is not None else None
        content: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        where = f"{method} {_shown(path)}"
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                httpx2.AsyncClient(verify=self._tls(), trust_env=not loopback, timeout=self._timeout_s) as client,
                client.stream(method, url, params=params, headers=sent, auth=auth, **content) as reply,
            ):
                told = await self._content(where, reply)
                answer = told.decode(errors="replace").strip() if text and reply.is_success else self._decoded(where, reply, told)
                if heard is not None:
                    heard(reply.headers)
                return answer
        except (httpx2.HTTPError, httpx2.StreamError, TimeoutError) as error:
            raise TransientError(self._errors.provider, f"{where}: {type(error).__name__}") from error

    async def _content(self, where: str, reply: httpx2.Response) -> bytes:
        content = bytearray()
        async for chunk in reply.aiter_bytes():
            content += chunk
            if len(content) > BODY_BYTES_MAX:
                raise _UnreadableError(self._errors.provider, f"{where}: more than {BODY_BYTES_MAX} bytes")
        return bytes(content)

    def _decoded(self, where: str, reply: httpx2.Response, content: bytes) -> Json:
        where = f"{where}: HTTP {reply.status_code}"
        if reply.is_success and not content:
            return {}
        try:
            body = json.loads(content)
        except ValueError as error:
            if reply.is_success:
                kind = reply.headers.get("content-type", "no content type")
                raise _UnreadableError(self._errors.provider, f"{where} with a body that is not JSON ({kind})") from error
            body = {}
        if reply.is_success:
            return self._opened(body)
        code, message = self._told(body) if isinstance(body, Mapping) else ("", "")
        wait_s = retry_after_s(reply.headers.get("retry-after", ""), default_s=self._errors.rate_limit_wait_s)
        raise self._errors.error(code, reply.status_code, f"{where}: {message}", retry_after_s=wait_s)


def retry_read(error: Exception) -> bool | float:
    """Whether to repeat a read: soon after a transient error, when told after a rate limit."""
    if isinstance(error, RateLimitedError):
        return error.retry_after_s if error.retry_after_s <= RETRY_AFTER_S_MAX else False
    return isinstance(error, TransientError)


def retry_after_s(header: str, default_s: float = 1.0) -> float:
    """Seconds from a ``Retry-After`` header; its date form, which needs a clock, counts as ``default_s``."""
    try:
        return max(0.0, float(header))
    except ValueError:
        return default_s


def _shown(path: str) -> str:
    """A path for messages, without its query: queries may hold keys."""
    return path.split("?", 1)[0]


@cache
def world_trust() -> ssl.SSLContext:
    """The certificate authorities that this machine trusts."""
    return ssl.create_default_context()
