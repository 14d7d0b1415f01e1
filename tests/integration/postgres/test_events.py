"""The event log: ordered, and it wakes whoever waits, also across a restart of Postgres."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.domain.events import Event, EventKind
from scheduler.store import Store, StoreUnavailableError, open_store
from scheduler.store.embedded import EmbeddedPostgres
from tests.builders import NOW


def event(subject: str, kind: EventKind = EventKind.NODE_CHANGED) -> Event:
    return Event(kind, NOW, subject, f"{subject} changed")


async def test_events_are_read_in_order_from_a_number_on(store: Store) -> None:
    await store.events.append([event("a"), event("b")])
    await store.events.append([event("c", EventKind.STOCKOUT)])
    numbered = await store.events.after(0, 10)
    assert [found.subject for _, found in numbered] == ["a", "b", "c"]
    assert [found.subject for _, found in await store.events.after(numbered[0][0], 1)] == ["b"]
    assert [found.subject for _, found in await store.events.latest(2)] == ["c", "b"]
    assert [found.subject for _, found in await store.events.latest(5, [EventKind.STOCKOUT])] == ["c"]


async def test_a_reader_never_finds_an_event_behind_the_ones_it_has_seen(store: Store) -> None:
    seen: list[int] = []

    async def read() -> None:
        last = 0
        while len(seen) < 60:
            fresh = await store.events.after(last, 100)
            seen.extend(number for number, _ in fresh)
            last = seen[-1] if seen else 0

    async def write(name: str) -> None:
        for number in range(20):
            await store.events.append([event(f"{name}{number}")])

    async with asyncio.timeout(20):
        await asyncio.gather(read(), write("a"), write("b"), write("c"))
    assert len(set(seen)) == 60


async def test_waiting_returns_at_once_for_what_is_there_and_false_at_the_timeout(store: Store) -> None:
    await store.events.append([event("a")])
    assert await store.events.wait(0, 5)
    last = (await store.events.latest(1))[0][0]
    assert not await store.events.wait(last, 0.05)


async def test_another_process_event_wakes_a_waiter_without_polling(store: Store, dsn: str) -> None:
    other = await open_store(dsn, migrate=False)
    waiters = [asyncio.create_task(store.events.wait(0, 10)) for _ in range(3)]
    while not store.events.listening:  # from here on only a notification wakes before the next look in 15 s
        await asyncio.sleep(0.01)
    begun = time.monotonic()
    await other.events.append([event("a")])
    assert await asyncio.gather(*waiters) == [True, True, True]
    assert time.monotonic() - begun < 5
    await other.close()


async def test_old_events_can_be_forgotten(store: Store) -> None:
    await store.events.append([event("a")])
    assert await store.events.prune(NOW) == 0
    assert await store.events.prune(NOW.replace(year=2027)) == 1
    await store.events.append([event("b")])
    assert [number for number, _ in await store.events.after(0, 10)] == [2]


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server that this test may kill."""
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        with EmbeddedPostgres(Path(folder) / "data", Path(folder) / "s", die_with_parent=True) as server:  # with all its safety
            yield server


async def test_a_killed_postgres_costs_errors_while_it_is_away_and_nothing_after(own_server: EmbeddedPostgres) -> None:
    store = await open_store(own_server.dsn)
    await store.events.append([event("before")])
    waiting = asyncio.create_task(store.events.wait(1, 30))
    while not store.events.listening:
        await asyncio.sleep(0.01)
    assert own_server.pid is not None
    os.kill(own_server.pid, signal.SIGKILL)
    with pytest.raises(StoreUnavailableError):
        await _read_until_it_fails(store)  # the dead server's children may still answer for a moment
    await asyncio.to_thread(own_server.start)
    assert [found.subject for _, found in await store.events.after(0, 10)] == ["before"]
    await store.events.append([event("after")])
    assert await waiting
    await store.close()


async def _read_until_it_fails(store: Store) -> None:
    while True:
        await store.events.latest(1)
