"""The agent's outside world: a small HTTP control plane that hands out a desired state and keeps what it is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qs, urlsplit

from scheduler.domain.agentstate import DesiredState, ObservedReplica, ObservedState
from scheduler.domain.events import Notice
from scheduler.runtime.protocol import DESIRED, NOTICE, OBSERVED

TOKEN = "agent-token-for-tests"


class ControlPlane:
    """Serves the agent API of one cluster on loopback."""

    def __init__(self) -> None:
        self.desired: DesiredState | None = None
        self.reports: list[ObservedState] = []
        self.notices: list[Notice] = []
        self.refused = 0
        self._changed = asyncio.Condition()
        self.url = ""
        self._connections: set[asyncio.StreamWriter] = set()

    @property
    def latest(self) -> ObservedState | None:
        return self.reports[-1] if self.reports else None

    def replica(self, name: str) -> ObservedReplica | None:
        return next((seen for seen in self.latest.replicas if seen.replica == name), None) if self.latest else None

    async def want(self, state: DesiredState) -> None:
        async with self._changed:
            self.desired = state
            self._changed.notify_all()

    async def until(self, holds: Callable[[ControlPlane], object], timeout_s: float) -> None:
        """Wait for a report that makes ``holds`` true."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: bool(holds(self)))
        except TimeoutError:
            raise AssertionError(f"not reached within {timeout_s} s; last report: {self.latest}") from None

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[ControlPlane]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for writer in tuple(self._connections):
                writer.close()
            # Long polls end at once: their wait is over when there is something to say.
            await self.want(DesiredState("closing", 10**9, 0))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                method, target, _ = line.decode().split(" ", 2)
                headers = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, answer = await self._answer(method, target, headers, body)
                writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(answer)}\r\n\r\n".encode() + answer)
                await writer.drain()
        self._connections.discard(writer)
        writer.close()

    async def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[str, bytes]:
        if headers.get("authorization") != f"Bearer {TOKEN}":
            self.refused += 1
            return "401 Unauthorized", b""
        parts = urlsplit(target)
        async with self._changed:
            match method, parts.path.rsplit("/", 1)[1]:
                case "GET", "desired":
                    return await self._newer({name: values[0] for name, values in parse_qs(parts.query).items()})
                case "POST", "observed":
                    self.reports.append(OBSERVED.validate_json(body))
                case "POST", "notices":
                    self.notices.append(NOTICE.validate_json(body))
            self._changed.notify_all()
        return "200 OK", b'{"lease_s": 10}'

    async def _newer(self, query: dict[str, str]) -> tuple[str, bytes]:
        held = (int(query["epoch"]), int(query["version"]))

        def newer() -> bool:
            return self.desired is not None and (self.desired.epoch, self.desired.version) > held

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(float(query["wait_s"])):
                await self._changed.wait_for(newer)
        if self.desired is None or not newer():
            return "204 No Content", b""
        return "200 OK", DESIRED.dump_json(self.desired)
