"""The edge's outside world: engines with a script. They speak just enough HTTP to be served, watched and broken."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Engine:
    """One scripted engine.

    Attributes:
        pause_s: time between two events of a stream. status: what chat requests are answered with.
        break_after: the connection is cut after this many events, None for never.
        seen: bodies of the chat requests that arrived.
    """

    name: str
    pause_s: float = 0.0
    events: int = 3
    status: int = 200
    break_after: int | None = None
    hold_usage: bool = False
    healthy: bool = True
    seen: list[dict[str, object]] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=64 * 1024 * 1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """Close the port and cut every connection, as a killed process does."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while line := await reader.readline():
                    path = line.decode().split(" ", 2)[1]
                    length, chunked = 0, False
                    while (header := (await reader.readline()).decode().strip().lower()) != "":
                        if header.startswith("content-length:"):
                            length = int(header.partition(":")[2])
                        chunked = chunked or header == "transfer-encoding: chunked"
                    body = await _chunks(reader) if chunked else await reader.readexactly(length)
                    await self._answer(path, body, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        if path == "/health":
            await _plain(writer, 200 if self.healthy else 503, {"status": "ok"})
            return
        request = json.loads(body)
        self.seen.append(request)
        if self.status != 200:
            await _plain(writer, self.status, {"error": {"message": "scripted"}})
        elif request.get("stream"):
            await self._stream(writer)
        else:
            await asyncio.sleep(self.pause_s)
            usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
            await _plain(writer, 200, {"choices": [{"message": {"content": self.name}}], "usage": usage})

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(self.events):
            if number == self.break_after:
                writer.transport.abort()
                return
            _chunk(writer, {"choices": [{"delta": {"content": f"{self.name}{number} "}}]})
            await writer.drain()
            await asyncio.sleep(self.pause_s)
        if self.hold_usage:
            _chunk(writer, {"choices": [{"delta": {}}], "timings": {"prompt_n": 2, "cache_n": 9, "predicted_n": self.events}})
        else:
            _chunk(writer, {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": self.events}})
        done = b"data: [DONE]\n\n"
        writer.write(f"{len(done):x}\r\n".encode() + done + b"\r\n0\r\n\r\n")
        await writer.drain()


async def _plain(writer: asyncio.StreamWriter, status: int, content: dict[str, object]) -> None:
    body = json.dumps(content).encode()
    writer.write(
        f"HTTP/1.1 {status} X\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )
    await writer.drain()


def _chunk(writer: asyncio.StreamWriter, event: dict[str, object]) -> None:
    data = f"data: {json.dumps(event)}\n\n".encode()
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


@contextlib.asynccontextmanager
async def engines(*names: str) -> AsyncIterator[list[Engine]]:
    """Open engines for the length of a test."""
    opened = [Engine(name) for name in names]
    for engine in opened:
        await engine.open()
    try:
        yield opened
    finally:
        for engine in opened:
            await engine.die()
