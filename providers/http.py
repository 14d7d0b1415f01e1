"""One thin JSON-over-HTTP client for all REST clouds: time limits, retries of reads, and statuses as domain errors.

Knows HTTP and the domain's error family, no vendor. Reads are retried a bounded number of times and honour ``Retry-After``;
anything that changes the world is sent once.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
import stamina

from scheduler.domain.errors import (
    AuthError,
    InvalidInputError,
    NotFoundError,
    ProviderDataError,
    ProviderError,
    RateLimitedError,
    TransientError,
)

BODY_BYTES_MAX = 64 * 2**20
RETRY_AFTER_S_MAX = 30.0
"""A vendor that asks for a longer wait gets it from the collector's next poll, not from a call that blocks."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

Json = Any
"""A decoded JSON document; parsers check its shape."""

Refusals = Callable[[int, Mapping[str, Any]], ProviderError | None]
"""Maps a status and an error body to the vendor's meaning; None leaves it to the status."""


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


def no_refusals(status: int, body: Mapping[str, Any]) -> ProviderError | None:
    """For vendors whose statuses say everything."""
    return None


class JsonHttp:
    """A client for one provider account. Holds no connection between calls, so it belongs to no event loop."""

    def __init__(
        self,
        provider: str,
        endpoint: str,
        headers: Callable[[], Mapping[str, str]],
        *,
        refusals: Refusals = no_refusals,
        timeout_s: float = 30.0,
        attempts: int = 3,
    ) -> None:
        """``headers`` is called for each request and raises AuthError where credentials are missing."""
        self._provider, self._endpoint = provider, checked_endpoint("endpoint", endpoint)
        self._headers, self._refusals = headers, refusals
        self._timeout_s, self._attempts = timeout_s, attempts

    async def read(self, path: str, params: Mapping[str, str] | None = None) -> Json:
        """GET, retried. Raises the ProviderError family."""
        async for attempt in stamina.retry_context(on=retry_read, attempts=self._attempts, timeout=120.0, wait_max=RETRY_AFTER_S_MAX):
            with attempt:
                return await self.once("GET", path, params=params)
        raise AssertionError("stamina returns or raises")

    async def once(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Json = None) -> Json:
        """One request, never repeated.

        Raises:
            TransientError: no answer, a broken one, or 5xx; after a launch, look for its token first.
            AuthError, NotFoundError, RateLimitedError, ProviderDataError: by status; or what ``refusals`` says.
        """
        url = path if path.startswith(("http://", "https://")) else self._endpoint + path
        checked_endpoint("next page", url)
        loopback = urlsplit(url).hostname in LOOPBACK
        headers = {"Accept": "application/json", **self._headers()}
        try:
            async with httpx2.AsyncClient(verify=_tls(), trust_env=not loopback, timeout=self._timeout_s) as client:
                reply = await client.request(method, url, params=params, json=body, headers=headers)
        except httpx2.HTTPError as error:
            raise TransientError(self._provider, f"{method} {_shown(path)}: {type(error).__name__}") from error
        return self._decoded(method, path, reply)

    def _decoded(self, method: str, path: str, reply: httpx2.Response) -> Json:
        where = f"{method} {_shown(path)}: HTTP {reply.status_code}"
        if len(reply.content) > BODY_BYTES_MAX:
            raise ProviderDataError(self._provider, f"{where} with {len(reply.content)} bytes")
        if reply.status_code == 204 or (reply.is_success and not reply.content):
            return {}
        try:
            body = reply.json()
        except ValueError as error:
            if reply.is_success:
                kind = reply.headers.get("content-type", "no content type")
                raise ProviderDataError(self._provider, f"{where} with a body that is not JSON ({kind})") from error
            body = {}
        if reply.is_success:
            return body
        raise self._refused(where, reply, body if isinstance(body, dict) else {})

    def _refused(self, where: str, reply: httpx2.Response, body: Mapping[str, Any]) -> ProviderError:
        named = self._refusals(reply.status_code, body)
        if named is not None:
            return named
        match reply.status_code:
            case 401 | 403:
                return AuthError(self._provider, f"{where}: credentials are wrong or lack a permission")
            case 404 | 410:
                return NotFoundError(self._provider, where)
            case 429:
                return RateLimitedError(self._provider, where, retry_after_s=retry_after_s(reply.headers.get("retry-after", "")))
            case status if status >= 500 or status == 408:
                return TransientError(self._provider, where)
            case _:
                return ProviderDataError(self._provider, f"{where}: {str(body.get('message', ''))[:200]}")


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
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
