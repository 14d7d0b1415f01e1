"""Big public files, line by line: never held whole, continued where a connection broke, never mixed with another version.

Knows HTTP and the domain's error family, no vendor, and not what the lines mean.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx2
import stamina

from providers.errors import ErrorTable
from providers.http import LOOPBACK, RETRY_AFTER_S_MAX, checked_endpoint, retry_after_s, retry_read, world_trust
from scheduler.domain.errors import ProviderDataError, TransientError
from scheduler.domain.ports import Budget, Pace

ATTEMPTS = 5
LINE_BYTES_MAX = 2**20
FILE_CALLS = 40
"""A whole file may take as long as so many calls."""

Take = Callable[[bytes], None]
"""Receives one line, without its end."""


class _Place:
    """How far a reading has come, over several connections."""

    def __init__(self, begin: Callable[[], Take]) -> None:
        self._begin = begin
        self.take, self.version, self.offset, self._rest = begin(), "", 0, b""

    @property
    def can_go_on(self) -> bool:
        """Whether a later connection may continue here: only the server's strong word tells that it is the same file still."""
        return self.offset > 0 and self.version.startswith('"')

    def restart(self, version: str) -> None:
        """From the first line: what was taken before belongs to another reading."""
        if self.offset:
            self.take = self._begin()
        self.version, self.offset, self._rest = version, 0, b""

    def feed(self, chunk: bytes) -> None:
        """Take the lines that a piece of the body completes."""
        self.offset += len(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self.take(line)

    @property
    def unfinished_bytes(self) -> int:
        """Of a line whose end has not come yet."""
        return len(self._rest)


class Download:
    """Files of one host that needs no credentials. Holds no connection between calls."""

    def __init__(self, errors: ErrorTable, endpoint: str, *, pace: Pace, budget: Budget, timeout_s: float) -> None:
        """``timeout_s``: for one answer to begin, and for the next piece of it to come; ``FILE_CALLS`` times that for a whole file."""
        self._errors, self._endpoint = errors, checked_endpoint("endpoint", endpoint)
        self._pace, self._budget, self._timeout_s = pace, budget, timeout_s

    async def read(self, path: str, begin: Callable[[], Take], known: str = "") -> str:
        """Read a file and return its version, "" where the server tells none.

        Args:
            begin: called before each first line; returns what takes the lines from there on. It is called again where the file
                changed during the reading: what was taken until then is of the old one.
            known: the version that was read before; where it still holds, nothing is read and ``known`` returned.

        Raises:
            TransientError: the end was not reached; the lines taken so far are whole.
            ProviderDataError: nobody can tell where the file ends, it ends within a line, or a line has no end.
            ProviderError: what a refusal means.
        """
        place = _Place(begin)
        try:
            async with asyncio.timeout(self._timeout_s * FILE_CALLS):
                async for attempt in stamina.retry_context(on=retry_read, attempts=ATTEMPTS, timeout=None, wait_max=RETRY_AFTER_S_MAX):
                    with attempt:
                        await self._pace.take(self._budget)
                        return await self._go_on(path, place, known)
        except TimeoutError as error:
            raise TransientError(self._errors.provider, f"GET {path}: not read within {self._timeout_s * FILE_CALLS:g} s") from error
        raise AssertionError("stamina returns or raises")

    async def _go_on(self, path: str, place: _Place, known: str) -> str:
        headers = {"Accept-Encoding": "identity"}
        if place.can_go_on:
            headers |= {"Range": f"bytes={place.offset}-", "If-Range": place.version}
        elif known:
            headers["If-None-Match"] = known
        loopback = urlsplit(self._endpoint).hostname in LOOPBACK
        try:
            async with (
                httpx2.AsyncClient(verify=world_trust(), trust_env=not loopback, timeout=self._timeout_s) as client,
                client.stream("GET", self._endpoint + path, headers=headers) as reply,
            ):
                if reply.status_code == httpx2.codes.NOT_MODIFIED and known:
                    return known
                await self._take(f"GET {path}", reply, place)
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise TransientError(self._errors.provider, f"GET {path}: {type(error).__name__} after {place.offset} bytes") from error
        if place.unfinished_bytes:
            raise ProviderDataError(self._errors.provider, f"GET {path}: ends within a line, after {place.offset} bytes")
        return place.version

    async def _take(self, where: str, reply: httpx2.Response, place: _Place) -> None:
        if not reply.is_success:
            wait_s = retry_after_s(reply.headers.get("retry-after", ""), default_s=self._errors.rate_limit_wait_s)
            raise self._errors.error("", reply.status_code, f"{where}: HTTP {reply.status_code}", retry_after_s=wait_s)
        if "content-length" not in reply.headers and "chunked" not in reply.headers.get("transfer-encoding", ""):
            raise ProviderDataError(self._errors.provider, f"{where}: nobody can tell where the file ends")
        if reply.status_code != httpx2.codes.PARTIAL_CONTENT:
            place.restart(reply.headers.get("etag", ""))
        elif not re.match(rf"bytes {place.offset}-", reply.headers.get("content-range", "")):
            raise ProviderDataError(self._errors.provider, f"{where}: another part than was asked for")
        async for chunk in reply.aiter_raw():
            place.feed(chunk)
            if place.unfinished_bytes > LINE_BYTES_MAX:
                raise ProviderDataError(self._errors.provider, f"{where}: a line of more than {LINE_BYTES_MAX} bytes")
