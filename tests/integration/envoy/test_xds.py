"""Front doors that are told over xDS: several at once, none disturbed by what happens to the control plane."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc

from scheduler.domain.errors import FencedError
from scheduler.domain.routing import EdgeConfig
from scheduler.edge.envoy import BOOTSTRAP, XdsSource, remote_bootstrap
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.xds import XdsServer
from tests.integration.envoy.engines import engines
from tests.integration.envoy.front import Front, config, free_port, running

TOKEN = "a-token-of-the-front-doors"


class Leader:
    """A control plane's xDS server that can be stopped and started again at the same port."""

    def __init__(self) -> None:
        self.epoch, self.port = 1, free_port()
        self.server: XdsServer | None = None

    async def start(self, wanted: EdgeConfig) -> XdsServer:
        self.server = XdsServer(FrontDoor(Path("/unused"), 1, 1, Path("/dev/null")), lambda: self.epoch, TOKEN)
        await self.server.publish(wanted)
        await self.server.start("127.0.0.1", self.port)
        return self.server

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()


def remote(directory: Path, leader: Leader, token: str = TOKEN, **place: str) -> Front:
    door = replace(FrontDoor(directory / "envoy", free_port(), free_port(), directory / "access.log"), **place)
    door.directory.mkdir(parents=True)
    (door.directory / BOOTSTRAP).write_bytes(remote_bootstrap(door, XdsSource((f"127.0.0.1:{leader.port}",), token)))
    return Front(door)


@contextlib.asynccontextmanager
async def leading(wanted: EdgeConfig) -> AsyncIterator[Leader]:
    leader = Leader()
    await leader.start(wanted)
    try:
        yield leader
    finally:
        await leader.stop()


async def stat(front: Front, name: str) -> int:
    text = (await front.admin.get("/stats", params={"filter": f"^{name}$"})).text
    return int(text.rsplit(":", 1)[1]) if ":" in text else 0


async def test_several_front_doors_serve_keep_serving_alone_and_take_changes_of_the_next_leader(tmp_path: Path) -> None:
    async with engines("a", "b") as (first, second), leading(config(first)) as leader:
        one, two = remote(tmp_path / "1", leader), remote(tmp_path / "2", leader)
        async with running(one, tmp_path / "1"), running(two, tmp_path / "2"):
            for front in (one, two):
                await front.until_applied(config(first))
                assert (await front.chat()).status_code == 200
            assert leader.server is not None
            assert await leader.server.publish(config(first)) is False
            await leader.server.publish(config(first, second))
            for front in (one, two):
                await front.until_applied(config(first, second))

            await leader.stop()
            for front in (one, two):
                assert (await front.chat()).status_code == 200

            added = await stat(one, "cluster_manager.cluster_added"), await stat(one, "cluster_manager.cluster_modified")
            listeners = await stat(one, "listener_manager.listener_modified")
            leader.epoch = 2
            again = await leader.start(config(first, second))
            async with asyncio.timeout(60):
                while not await stat(one, "control_plane.connected_state"):
                    await asyncio.sleep(0.1)
            drained = config(first, second, draining=("a",))
            await again.publish(drained)
            for front in (one, two):
                await front.until_applied(drained)
            assert (await stat(one, "cluster_manager.cluster_added"), await stat(one, "cluster_manager.cluster_modified")) == added
            assert await stat(one, "listener_manager.listener_modified") == listeners

            leader.epoch = 1
            with pytest.raises(FencedError):
                await again.publish(config(first))
            dialled = "cluster.control-plane.upstream_cx_total"
            before = await stat(one, dialled)
            await leader.stop()
            await leader.start(config(first))
            async with asyncio.timeout(90):
                while await stat(one, dialled) <= before:
                    await asyncio.sleep(0.1)
            assert {answer.json()["choices"][0]["message"]["content"] for answer in [await one.chat() for _ in range(5)]} == {"b"}


async def test_a_front_door_without_the_token_is_told_nothing() -> None:
    async with leading(config()) as leader, grpc.aio.insecure_channel(f"127.0.0.1:{leader.port}") as channel:
        asking = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources(
            metadata=[("authorization", "Bearer guessed")]
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asking.read()
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
