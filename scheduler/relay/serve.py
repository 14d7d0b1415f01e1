"""The relay's two doors: requests from Envoy, and an admin port on loopback for those who run it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp import web

from scheduler.relay.answers import BODY_BYTES_MAX, refusal
from scheduler.relay.forward import ClientGoneError, Exchange, Parts
from scheduler.relay.metrics import RelayMetrics
from scheduler.relay.request import Told, read
from scheduler.relay.sight import Seen, Sight, Waiting

log = structlog.get_logger(__name__)

_BODY_S_MAX = 60.0
_CONNECT_S = 2.0
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Where one relay listens, always on loopback.

    Attributes:
        return_port: Envoy's listener for what the relay sends. waiting_max: requests held for one deployment at a time.
        drain_s: how long streams in flight are waited for at the end.
    """

    port: int
    admin_port: int
    return_port: int
    host: str = "127.0.0.1"
    waiting_max: int = 1000
    drain_s: float = 25.0


class Relay:
    """One relay. ``look`` asks the edge which replicas are ready, None where it can't be asked."""

    def __init__(self, settings: RelaySettings, look: Callable[[], Awaitable[Seen | None]], draw: random.Random) -> None:
        self._settings = settings
        self.sight, self.waiting, self.metrics = Sight(look, draw), Waiting(settings.waiting_max), RelayMetrics()
        self._parts: Parts | None = None
        self._streams = 0
        self._leaving = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve for the length of the block, then let the streams in flight end."""
        settings = self._settings
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, read_bufsize=_CHUNK_BYTES, cookie_jar=jar
        ) as session:
            self._parts = Parts(session, self.sight, self.waiting, self.metrics, f"http://127.0.0.1:{settings.return_port}")
            await self.sight.refresh()
            watching = asyncio.create_task(self.sight.watch(), name="sight")
            runners = [
                await _open(self._front(), settings.host, settings.port),
                await _open(self._admin(), "127.0.0.1", settings.admin_port),
            ]
            log.info("relay_started", port=settings.port, admin_port=settings.admin_port, return_port=settings.return_port)
            try:
                yield
            finally:
                await self._drain()
                for runner in runners:
                    await runner.cleanup()
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _drain(self) -> None:
        self._leaving = True
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.drain_s
        while self._streams and loop.time() < until:  # noqa: ASYNC110 (once in a relay's life)
            await asyncio.sleep(0.05)
        log.info("relay_stopped", left=self._streams)

    def _front(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/health", self._health)
        app.router.add_route("*", "/{path:.*}", self._carry)
        return app

    def _admin(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/waiting", self._tell_waiting)
        app.router.add_get("/metrics", self._tell_metrics)
        app.router.add_get("/health", self._health)
        return app

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "leaving" if self._leaving else "ok"}, status=503 if self._leaving else 200)

    async def _tell_waiting(self, _: web.Request) -> web.Response:
        return web.json_response(dict(self.waiting.counts()))

    async def _tell_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self.metrics.exposition(), headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _carry(self, request: web.Request) -> web.StreamResponse:
        told = Told.of(request.headers)
        if self._parts is None or not told.deployment:
            return refusal(400, "The relay takes requests from the edge only.", "invalid_request_error", "not_from_the_edge")
        try:
            async with asyncio.timeout(_BODY_S_MAX):
                raw = await request.read()
        except TimeoutError:
            return refusal(408, f"The body did not arrive within {_BODY_S_MAX:.0f} s.", "invalid_request_error", "request_too_slow")
        except web.HTTPRequestEntityTooLarge:
            return refusal(413, "The request body is larger than 32 MiB.", "invalid_request_error", "request_too_large")
        streams = self.metrics.streams.labels(told.deployment)
        self._streams += 1
        streams.inc()
        try:
            return await Exchange(self._parts, request, told, read(request.path, raw, told)).run()
        except ClientGoneError:
            # The connection is closed; what is returned only ends the handler.
            return web.Response(status=499)
        finally:
            self._streams -= 1
            streams.dec()


async def _open(app: web.Application, host: str, port: int) -> web.AppRunner:
    # A client that leaves cancels its handler, and with it the request to the replica.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=4096).start()
    return runner


async def serve(relay: Relay) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with relay.running():
        await stop.wait()
