"""``kill -9`` of every kind of process: it comes back, requests keep flowing, and the fleet is what the plan says, no more, no less."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil
import pytest

from scheduler.runtime import tree
from tests.e2e.clients import Asker, Fleet, asking
from tests.e2e.running import RunningDemo, until

pytestmark = pytest.mark.timeout(300)


async def restarted(demo: RunningDemo, row: dict[str, Any]) -> None:
    """Wait until the supervisor runs the process again."""

    async def anew() -> bool:
        now = next(each for each in demo.processes(row["role"]) if each["name"] == row["name"])
        return now["pid"] not in (0, row["pid"]) and psutil.pid_exists(now["pid"])

    await until(anew, f"{row['name']} started again", 40)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


async def test_an_engine_comes_back_and_its_neighbours_answer_meanwhile(demo: RunningDemo, fleet: Fleet) -> None:
    await fleet.settle(demo)
    victim = next(each for each in (await fleet.replicas("ready")).values() if each["deployment"] == "chat")
    async with asking(demo.front_door) as asker:
        await asker.answers_more(2)
        kill(victim["pid"])
        await asker.answers_more(5)

        async def back() -> bool:
            now = (await fleet.replicas("ready")).get(victim["id"])
            return now is not None and now["pid"] not in (None, victim["pid"])

        await until(back, "the killed engine ready again")
    assert not asker.failures
    await fleet.settle(demo)


async def test_an_agent_comes_back_and_adopts_the_engines_that_run(demo: RunningDemo, fleet: Fleet) -> None:
    await fleet.settle(demo)
    engines = demo.engines()
    row = demo.processes("agent")[0]
    async with asking(demo.front_door) as asker:
        kill(row["pid"])
        await restarted(demo, row)
        await fleet.heard(row["name"].removeprefix("agent-"))
        await asker.answers_more(3)
        await fleet.settle(demo)
    assert not asker.failures
    assert demo.engines() == engines


async def test_a_gcs_comes_back_and_its_engines_never_stop(demo: RunningDemo, fleet: Fleet) -> None:
    await fleet.settle(demo)
    engines = demo.engines()
    used = {each["cluster"] for each in (await fleet.replicas()).values()}
    head = next(row for row in demo.processes("ray head") if row["name"].removeprefix("head-") in used)
    gcs = _gcs(head["pid"])
    assert gcs is not None
    async with asking(demo.front_door) as asker:
        kill(gcs.pid)

        async def anew() -> bool:
            now = _gcs(head["pid"])
            return now is not None and now.pid != gcs.pid

        await until(anew, "the GCS started again", 30)
        await fleet.heard(head["name"].removeprefix("head-"))
        await asker.answers_more(3)
        await fleet.settle(demo)
    assert not asker.failures
    assert demo.engines() == engines


def _gcs(head: int) -> psutil.Process | None:
    return next((process for process in tree.descendants(head) if process.name() == "gcs_server"), None)


async def test_the_edge_comes_back_with_its_routes(demo: RunningDemo) -> None:
    row = demo.processes("edge")[0]
    kill(row["pid"])
    await restarted(demo, row)
    asker = Asker(demo.front_door, "chat")
    await until(asker.ask, "an answer through the new edge", 30)


async def test_requests_flow_without_a_control_plane_and_it_resumes_the_same_plan(demo: RunningDemo, fleet: Fleet) -> None:
    await fleet.settle(demo)
    replicas, engines = await fleet.replicas(), demo.engines()
    plan = (await fleet.get("/v1/status"))["plan"]
    row = demo.processes("control plane")[0]
    async with asking(demo.front_door) as asker:
        kill(row["pid"])
        await asker.answers_more(3)
        await restarted(demo, row)

        async def leads() -> bool:
            return bool((await fleet.get("/v1/status"))["leads"])

        await until(leads, "the new control plane leading")
        for cluster in {each["cluster"] for each in replicas.values()}:
            await fleet.heard(cluster)
        await fleet.settle(demo)
        await asker.answers_more(1)
    assert not asker.failures
    assert (await fleet.get("/v1/status"))["plan"] == plan
    assert (await fleet.replicas()).keys() == replicas.keys()
    assert demo.engines() == engines


async def test_requests_flow_without_postgres_and_nothing_is_forgotten(demo: RunningDemo, fleet: Fleet) -> None:
    await fleet.settle(demo)
    replicas, engines = await fleet.replicas(), demo.engines()
    plans = {plan["id"] for plan in await fleet.get("/v1/plans", limit=200)}
    row = demo.processes("postgres")[0]
    async with asking(demo.front_door) as asker:
        kill(row["pid"])
        await asker.answers_more(3)
        await restarted(demo, row)

        async def ready() -> bool:
            return (await fleet.get("/readyz"))["status"] == "ready"

        await until(ready, "the database answering again", 60)
        for cluster in {each["cluster"] for each in replicas.values()}:
            await fleet.heard(cluster)
        await fleet.settle(demo)
        await asker.answers_more(1)
    assert not asker.failures
    assert {plan["id"] for plan in await fleet.get("/v1/plans", limit=200)} >= plans
    assert (await fleet.replicas()).keys() == replicas.keys()
    assert demo.engines() == engines
