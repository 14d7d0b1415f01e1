"""What waits: the agents' long poll and the stream of events, over a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest
import uvicorn

from scheduler.domain.agentstate import DesiredState
from scheduler.domain.events import Event, EventKind
from scheduler.domain.stores import ChangeSet
from scheduler.runtime.protocol import DESIRED, ControlClient
from tests.builders import NOW
from tests.integration.api.conftest import Door

WISH = DesiredState("aws-us-east-1", 1, 1, nodes=("n1",))
STREAM = "/v1/events/stream"


def event(number: int) -> Event:
    return Event(EventKind.NODE_CHANGED, NOW, f"n{number}", f"node n{number} changed", {"number": number})


@asynccontextmanager
async def served(door: Door) -> AsyncIterator[str]:
    """The application on a free port of the loopback; the URL."""
    server = uvicorn.Server(uvicorn.Config(door.app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await running


async def told(lines: AsyncIterator[str], count: int) -> list[tuple[int, dict[str, object]]]:
    """The next events of the stream with their ids."""
    found, number = [], 0
    async for line in lines:
        if line.startswith("id: "):
            number = int(line.removeprefix("id: "))
        elif line.startswith("data: "):
            found.append((number, json.loads(line.removeprefix("data: "))))
            if len(found) == count:
                return found
    raise AssertionError("the stream ended")


async def test_a_poll_is_answered_as_soon_as_something_newer_is_wanted(door: Door) -> None:
    async with served(door) as url, ControlClient(url, WISH.cluster, await door.key("agent", WISH.cluster)) as agent:
        waiting = asyncio.create_task(agent.desired(0, 0, wait_s=20))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.5)
        await door.store.fleet.commit(ChangeSet(desired=(WISH,)), 1)
        assert await asyncio.wait_for(waiting, 90) == WISH


async def test_a_poll_for_what_is_known_already_ends_empty_at_its_time(door: Door) -> None:
    await door.store.fleet.commit(ChangeSet(desired=(WISH,)), 1)
    async with door.client(key=await door.key("agent", WISH.cluster)) as client:
        path = f"/agent/v1/clusters/{WISH.cluster}/desired"
        known = await client.get(path, params={"epoch": 1, "version": 1, "wait_s": 0.1})
        assert known.status_code == 204
        older = await client.get(path, params={"epoch": 0, "version": 9, "wait_s": 0.1})
        assert DESIRED.validate_json(older.content) == WISH, "a newer epoch counts more than any version"
        await door.store.fleet.commit(ChangeSet(desired=(replace(WISH, version=2),)), 1)
        assert (await client.get(path, params={"epoch": 1, "version": 1, "wait_s": 0.1})).status_code == 200


async def test_events_stream_as_they_happen_and_resume_after_the_last_one_seen(door: Door) -> None:
    await door.store.events.append([event(0)])
    async with served(door) as url, httpx2.AsyncClient(base_url=url, timeout=90, trust_env=False) as client:
        async with client.stream("GET", STREAM) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            assert await anext(lines) == ": following"
            await door.store.events.append([event(1), event(2)])
            seen = await asyncio.wait_for(told(lines, 2), 90)
        assert [body["subject"] for _, body in seen] == ["n1", "n2"], "from now on, not from the beginning"
        assert seen[0][1]["data"] == {"number": 1}
        await door.store.events.append([event(3)])
        async with client.stream("GET", STREAM, headers={"last-event-id": str(seen[0][0])}) as answer:
            again = await asyncio.wait_for(told(answer.aiter_lines(), 2), 90)
        assert [body["subject"] for _, body in again] == ["n2", "n3"]


@pytest.mark.parametrize("last", ["", "no number", "²", "9" * 30])
async def test_a_last_event_id_that_is_no_number_starts_from_now(door: Door, last: str) -> None:
    async with served(door) as url, httpx2.AsyncClient(base_url=url, timeout=90, trust_env=False) as client:
        async with client.stream("GET", STREAM, headers={b"last-event-id": last.encode("latin-1")}) as answer:
            assert answer.status_code == 200
            assert await anext(answer.aiter_lines()) == ": following"
