"""Tells front doors over gRPC what the files tell the embedded one: Envoy's aggregated discovery, in its delta form.

A front door keeps what it was told last for as long as nobody speaks to it. On its next connection it says which versions
it has, and is sent what differs: a control plane that starts again disturbs nobody. Versions carry the leader's epoch; a
control plane that meets a newer epoch than its own ends the conversation.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import structlog
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from scheduler.domain.errors import FencedError
from scheduler.domain.routing import EdgeConfig
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.xds_resources import ORDER, Renderer, Resource, Resources

log = structlog.get_logger(__name__)
_EVERYTHING = "*"
_MESSAGE_BYTES = 64 * 1024 * 1024


@dataclass
class _Subscription:
    """What one front door wants of one type, and the digest of what it has."""

    names: set[str] = field(default_factory=set)
    everything: bool = False
    has: dict[str, str] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        return self.everything or name in self.names


class XdsServer(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """The server of every remote front door. Implements ``domain.ports.EdgePublisher``.

    Args:
        epoch: the epoch this process leads in, 0 while another leads: then front doors are sent away.
        token: what each front door must show.
    """

    def __init__(self, door: FrontDoor, epoch: Callable[[], int], token: str) -> None:
        self._door, self._epoch, self._token = door, epoch, token
        self._config: EdgeConfig | None = None
        self._published = 0
        self._renderers: dict[FrontDoor, Renderer] = {}
        self._rendered: dict[FrontDoor, Resources] = {}
        self._rendering = asyncio.Lock()
        self._changed: set[asyncio.Event] = set()
        self._server: grpc.aio.Server | None = None

    async def publish(self, config: EdgeConfig) -> bool:
        """Send what changed to every front door; False where nothing did.

        Raises:
            FencedError: a newer leader's configuration was published here.
        """
        epoch = self._epoch()
        if epoch < self._published:
            raise FencedError(epoch, self._published)
        if config == self._config:
            return False
        async with self._rendering:
            self._config, self._published, self._rendered = config, epoch, {}
        for event in self._changed:
            event.set()
        return True

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises RuntimeError where it is taken."""
        self._server = grpc.aio.server(options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)])
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self, self._server)
        bound = self._server.add_insecure_port(f"{host}:{port}")
        await self._server.start()
        return int(bound)

    async def stop(self) -> None:
        """End every conversation."""
        if self._server is not None:
            await self._server.stop(0.5)

    async def DeltaAggregatedResources(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """One front door's conversation."""
        shown = dict(context.invocation_metadata()).get("authorization", "")
        if not secrets.compare_digest(shown.encode(), f"Bearer {self._token}".encode()):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a front door's token is needed")
        woken, heard = asyncio.Event(), asyncio.Queue[Any]()
        self._changed.add(woken)
        listening = asyncio.create_task(_hear(requests, heard, woken))
        door, wanted = self._door, {}  # type: ignore[var-annotated]
        try:
            while not listening.done() or not heard.empty():
                await self._refuse_if_deposed(context)
                while not heard.empty():
                    request = heard.get_nowait()
                    door = _door_of(request, door)
                    await self._take(request, wanted.setdefault(request.type_url, _Subscription()), context)
                resources = await self._resources(door)
                for answer in _answers(resources, wanted, self._published):
                    yield answer
                woken.clear()
                if heard.empty() and resources is await self._resources(door):
                    try:
                        await asyncio.wait_for(woken.wait(), 1.0)
                    except TimeoutError:
                        continue
        finally:
            listening.cancel()
            self._changed.discard(woken)

    async def _refuse_if_deposed(self, context: Any) -> None:
        if not self._epoch() or self._config is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "another control plane leads")

    async def _take(self, request: Any, has: _Subscription, context: Any) -> None:
        if request.error_detail.code:
            log.warning("edge_refused_config", type=request.type_url, error=request.error_detail.message[:500])
        for name, version in request.initial_resource_versions.items():
            epoch, _, digest = version.partition(".")
            if epoch.isdigit() and int(epoch) > self._epoch():
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"the front door has epoch {epoch}, this is {self._epoch()}")
            has.has[name] = digest
        if not request.resource_names_subscribe and not has.names and not request.response_nonce:
            has.everything = True
        has.names |= set(request.resource_names_subscribe)
        has.everything = has.everything or _EVERYTHING in has.names
        for name in request.resource_names_unsubscribe:
            has.names.discard(name)
            has.has.pop(name, None)
        for name in request.resource_names_subscribe:
            # Asking again for what one has means that it was forgotten.
            if name not in request.initial_resource_versions:
                has.has.pop(name, None)

    async def _resources(self, door: FrontDoor) -> Resources:
        async with self._rendering:
            if door not in self._rendered:
                renderer = self._renderers.setdefault(door, Renderer(door))
                assert self._config is not None
                self._rendered[door] = await asyncio.to_thread(renderer.render, self._config)
            return self._rendered[door]


async def _hear(requests: AsyncIterator[Any], heard: asyncio.Queue[Any], woken: asyncio.Event) -> None:
    try:
        async for request in requests:
            heard.put_nowait(request)
            woken.set()
    finally:
        woken.set()


def _door_of(request: Any, door: FrontDoor) -> FrontDoor:
    """The front door says in its first message where it stands; the rest is as in the settings."""
    if not request.HasField("node"):
        return door
    told = dict(request.node.metadata.fields)
    text = {name: value.string_value for name, value in told.items() if value.string_value}
    paths = {name: Path(text[name]) for name in ("access_log", "certificate", "directory", "private_key") if name in text}
    words = {name: text[name] for name in ("host", "origin", "region") if name in text}
    port = {"port": int(told["port"].number_value)} if "port" in told else {}
    return replace(door, **paths, **words, **port)  # type: ignore[arg-type]


def _answers(resources: Resources, wanted: Mapping[str, _Subscription], epoch: int) -> list[Any]:
    """What must be said: additions from clusters to routes, and removals the other way round, so that no route leads nowhere."""
    answers = []
    for kind in ORDER:
        if kind in wanted:
            answers += _difference(kind, resources[kind], wanted[kind], epoch, removing=False)
    for kind in reversed(ORDER):
        if kind in wanted:
            answers += _difference(kind, resources[kind], wanted[kind], epoch, removing=True)
    return answers


def _difference(kind: str, there: Mapping[str, Resource], of: _Subscription, epoch: int, *, removing: bool) -> list[Any]:
    if removing:
        gone = [name for name in of.has if name not in there]
        for name in gone:
            del of.has[name]
        if not gone:
            return []
        return [_response(kind, epoch, removed_resources=gone)]
    news = {name: one for name, one in there.items() if of.wants(name) and of.has.get(name) != one.digest}
    of.has.update({name: one.digest for name, one in news.items()})
    if not news:
        return []
    rows = [discovery_pb2.Resource(name=name, version=f"{epoch}.{one.digest}", resource=one.body) for name, one in news.items()]
    return [_response(kind, epoch, resources=rows)]


def _response(kind: str, epoch: int, **content: Any) -> Any:
    return discovery_pb2.DeltaDiscoveryResponse(type_url=kind, nonce=secrets.token_hex(8), system_version_info=str(epoch), **content)
