"""Carries one request to a replica through Envoy, and its answer back; asks again elsewhere where the policy allows it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from dataclasses import dataclass
from typing import NoReturn

import aiohttp
import structlog
from aiohttp import web

from scheduler.domain.workload import EngineKind, Resume
from scheduler.relay.answers import BODY_BYTES_MAX, hides_a_loss, is_event_stream, passed_headers, refusal, sent_headers
from scheduler.relay.metrics import RelayMetrics
from scheduler.relay.request import HEADERS, Told, Wanted, continuation
from scheduler.relay.sight import Sight, Waiting
from scheduler.relay.story import BrokenStreamError, Events, Story

log = structlog.get_logger(__name__)

TRIES_MAX = 5
"""Replicas that one request may meet: one that kills its engines must not walk through the fleet."""
ELSEWHERE_S = 5.0
"""How long a broken stream waits for another replica where the policy holds nothing."""
_PROBE_S = 0.1
_LOST = (aiohttp.ClientError, ConnectionError, TimeoutError, BrokenStreamError)


class ClientGoneError(Exception):
    """The client left; nothing is to be said any more."""


class LostReplicaError(Exception):
    """The replica did not bring its answer to an end."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What every request shares."""

    session: aiohttp.ClientSession
    sight: Sight
    waiting: Waiting
    metrics: RelayMetrics
    return_url: str


class Exchange:
    """One request and its answer, over as many replicas as it takes."""

    def __init__(self, parts: Parts, request: web.Request, told: Told, wanted: Wanted) -> None:
        self._parts, self._request, self._told, self._wanted = parts, request, told, wanted
        self._story = Story(chat=wanted.chat)
        self._response: web.StreamResponse | None = None
        self._endpoint = ""
        self._tries = 0
        self._silent_since = 0.0
        self._repairing = False
        self._hold_until = asyncio.get_running_loop().time() + told.policy.hold_s

    async def run(self) -> web.StreamResponse:
        """The answer to give. Raises ClientGoneError."""
        while True:
            target = await self._place()
            if target is None:
                return self._no_replica()
            self._tries += 1
            try:
                answer = await self._ask(target)
            except (*_LOST, LostReplicaError) as error:
                answer = self._after_loss(error)
            if answer is not None:
                return answer

    async def _place(self) -> str | None:
        """Where to go now; waits, as long as the policy says, where no replica is ready."""
        sight, name = self._parts.sight, self._told.deployment
        target = sight.choose(name)
        until = self._hold_until
        if self._tries:
            until = max(until, asyncio.get_running_loop().time() + ELSEWHERE_S)
        if target is not None or asyncio.get_running_loop().time() >= until:
            return target
        if self._parts.waiting.is_full(name):
            return None
        if not self._tries:
            self._parts.metrics.held.labels(name).inc()
        with self._parts.waiting.counted(name):
            return await sight.until_chosen(name, until)

    def _no_replica(self) -> web.StreamResponse:
        name = self._told.deployment
        if self._response is not None:
            self._cut("no replica")
        if self._parts.waiting.is_full(name):
            self._parts.metrics.refused.labels(name, "full").inc()
            return refusal(429, "Too many requests wait for this model; try again soon.", "rate_limit_error", "overloaded")
        self._parts.metrics.refused.labels(name, "no replica").inc()
        return refusal(503, "No replica of this model is ready; try again soon.", "server_error", "no_ready_replica")

    def _after_loss(self, error: Exception) -> web.StreamResponse | None:
        """Decide whether to go on; None goes on."""
        self._parts.sight.shun(self._endpoint)
        name, reason = self._told.deployment, str(error) or type(error).__name__
        untold = self._story.tokens == 0
        obstacle = self._story.obstacle or self._wanted.obstacle
        if self._told.policy.resume is Resume.NEVER:
            obstacle = "policy"
        elif self._tries >= TRIES_MAX:
            obstacle = "tries"
        elif untold:
            obstacle = ""
        log.info("stream_lost", deployment=name, endpoint=self._endpoint, reason=reason, told=self._story.tokens, obstacle=obstacle)
        self._endpoint = ""
        if self._story.finish and self._response is not None:
            return None
        if obstacle:
            if self._response is not None:
                self._cut(obstacle)
            self._parts.metrics.refused.labels(name, "lost").inc()
            return refusal(503, "The replica could not be reached or broke off; try again.", "server_error", "replica_failed")
        (self._parts.metrics.resent if untold else self._parts.metrics.resumed).labels(name).inc()
        self._repairing = True
        self._story.resume(echo=self._told.engine == EngineKind.LLAMACPP)
        return None

    async def _ask(self, target: str) -> web.StreamResponse | None:
        """One try at one replica; None where it is to be tried again.

        Raises:
            LostReplicaError, aiohttp.ClientError, TimeoutError, BrokenStreamError: the replica was lost on the way.
        """
        if (rest := self._nothing_left()) is not None:
            await self._write(rest)
            return self._response
        told = self._story.tokens
        body = continuation(self._wanted, self._told.engine, self._story.text, told) if told else self._wanted.raw
        headers = sent_headers(self._request.headers, self._told.deployment)
        if target:
            headers[f"{HEADERS}go-to"] = base64.b64encode(target.encode()).decode()
        url = f"{self._parts.return_url}{self._request.raw_path}"
        sight, loop = self._parts.sight, asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            health = await stack.enter_async_context(asyncio.timeout(None))

            def died() -> None:
                if not health.expired():
                    health.reschedule(loop.time())

            # Until the answer says who gives it, the death of any replica may be that of ours.
            with sight.warded(self._told.deployment, died) if self._told.policy.resume is not Resume.NEVER else contextlib.nullcontext():
                asking = self._parts.session.request(self._request.method, url, data=body, headers=headers)
                upstream = await stack.enter_async_context(asking)
            self._endpoint = upstream.headers.get(f"{HEADERS}endpoint", "")
            if self._repairing and sight.is_shunned(self._endpoint) and sight.choose(self._told.deployment):
                raise LostReplicaError("led back to the replica that was lost")
            stack.enter_context(sight.warded(self._endpoint, died))
            if self._wanted.streamed and upstream.status == 200 and is_event_stream(upstream.headers):
                return await self._stream(upstream)
            return await self._plain(upstream)

    def _nothing_left(self) -> bytes | None:
        """What to end with where the lost replica had said everything but the end."""
        story, most = self._story, self._wanted.tokens_max
        if self._response is None or not story.tokens:
            return None
        if story.finish or (most is not None and story.tokens >= most):
            return story.ending("length")
        return None

    async def _plain(self, upstream: aiohttp.ClientResponse) -> web.StreamResponse | None:
        """An answer that is no stream: an error, or a whole completion."""
        data = await upstream.content.read(BODY_BYTES_MAX) if upstream.status != 200 or self._wanted.body is not None else b""
        while data and len(data) < BODY_BYTES_MAX and (more := await upstream.content.read(BODY_BYTES_MAX - len(data))):
            data += more
        if self._response is not None:
            raise LostReplicaError(f"the next replica answered {upstream.status}")
        if upstream.status == 503 and b'"no_ready_replica"' in data and await self._worth_waiting():
            return None
        resumable = self._told.policy.resume is not Resume.NEVER and self._tries < TRIES_MAX
        if resumable and hides_a_loss(upstream.status, data):
            raise LostReplicaError("the replica answered with an error of its own")
        response = web.StreamResponse(status=upstream.status, headers=passed_headers(upstream.headers))
        self._response = response
        await response.prepare(self._request)
        await self._write(data)
        async for chunk in upstream.content.iter_any():
            await self._write(chunk)
        return response

    async def _worth_waiting(self) -> bool:
        """The edge found no replica although one was in sight, or it could not be asked: look again soon, until the hold is over."""
        if asyncio.get_running_loop().time() >= self._hold_until or self._parts.waiting.is_full(self._told.deployment):
            return False
        self._tries -= 1
        with self._parts.waiting.counted(self._told.deployment):
            await asyncio.sleep(_PROBE_S)
        return True

    async def _stream(self, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        if self._response is None:
            self._response = web.StreamResponse(status=200, headers=passed_headers(upstream.headers))
            await self._response.prepare(self._request)
        loop, silence_s = asyncio.get_running_loop(), self._told.policy.silence_s
        if self._wanted.obstacle and not self._repairing:
            silence_s = 0.0
        events, story = Events(), self._story
        async with asyncio.timeout(None) as limit:
            async for chunk in upstream.content.iter_any():
                # While the client is slow to read, the replica is not to blame.
                limit.reschedule(None)
                for event in events.feed(chunk):
                    await self._pass_on(story.hear(event))
                if story.tokens and silence_s:
                    limit.reschedule(loop.time() + silence_s)
        if not story.done:
            raise LostReplicaError("the stream ended early")
        return self._response

    async def _pass_on(self, event: bytes) -> None:
        loop = asyncio.get_running_loop()
        if event:
            if self._repairing and self._story.resumed:
                self._repairing = False
                self._parts.metrics.gap.labels(self._told.deployment).observe(loop.time() - self._silent_since)
            await self._write(event)
            self._silent_since = loop.time()

    async def _write(self, data: bytes) -> None:
        if self._response is None or not data:
            return
        try:
            await self._response.write(data)
        except (ConnectionError, aiohttp.ClientError) as error:
            raise ClientGoneError from error

    def _cut(self, reason: str) -> NoReturn:
        """Break the client's stream as the replica's broke: without its end, so that nobody takes it for whole."""
        self._parts.metrics.cut.labels(self._told.deployment, reason).inc()
        log.warning("stream_cut", deployment=self._told.deployment, reason=reason)
        if self._request.transport is not None:
            self._request.transport.close()
        raise ClientGoneError
