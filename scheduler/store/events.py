"""Append-only events. Whoever waits is woken by Postgres' NOTIFY, over one connection per process.

Sequence numbers are handed out under a lock that is held until commit, so they become visible in their order: a reader that has
seen 7 never finds 6 later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import psycopg
import structlog
from sqlalchemy import Row, delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.domain.events import Event, EventKind
from scheduler.store.database import Database
from scheduler.store.errors import StoreUnavailableError
from scheduler.store.schema import events

CHANNEL = "headrace_events"
_APPEND_LOCK = 0x6576656E7473  # "events"
_RECONNECT_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_POLL_S = 1.0
_POLL_WHILE_LISTENING_S = 15.0

_log = structlog.get_logger(__name__)


async def append_events(connection: AsyncConnection, given: Sequence[Event]) -> None:
    """Add events inside the caller's transaction, as its last step: the lock orders all writers until their commit."""
    if not given:
        return
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPEND_LOCK})
    rows = [
        {"at": event.at, "kind": event.kind, "subject": event.subject, "message": event.message, "data": dict(event.data)}
        for event in given
    ]
    await connection.execute(events.insert(), rows)
    await connection.execute(select(func.pg_notify(CHANNEL, "")))


class Events:
    """Implements ``EventLog`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news = asyncio.Condition()
        self._listener: asyncio.Task[None] | None = None
        self.listening = False
        """True while notifications arrive; otherwise waiting polls once a second."""
        self._wakes = 0

    async def append(self, given: Sequence[Event]) -> None:
        async with self._database.write() as connection:
            await append_events(connection, given)

    async def after(self, sequence: int, limit: int) -> Sequence[tuple[int, Event]]:
        """Events with a higher number, oldest first."""
        statement = select(events).where(events.c.sequence > sequence).order_by(events.c.sequence).limit(limit)
        async with self._database.read() as connection:
            return [(row.sequence, _event_of(row)) for row in await connection.execute(statement)]

    async def latest(self, limit: int, kinds: Sequence[EventKind] = ()) -> Sequence[tuple[int, Event]]:
        """Newest first."""
        statement = select(events).order_by(events.c.sequence.desc()).limit(limit)
        if kinds:
            statement = statement.where(events.c.kind.in_(kinds))
        async with self._database.read() as connection:
            return [(row.sequence, _event_of(row)) for row in await connection.execute(statement)]

    async def wait(self, sequence: int, timeout_s: float) -> bool:
        """Return True as soon as there is an event after ``sequence``, False at the timeout.

        A Postgres that is away is silence, not an error: the caller's next read says so.
        """
        if self._listener is None or self._listener.done():
            self._listener = asyncio.create_task(self._listen(), name="event-listener")
        try:
            async with asyncio.timeout(timeout_s):
                seen = self._wakes
                while not await self._is_after(sequence):
                    seen = await self._next_wake(seen)
        except TimeoutError:
            return False
        return True

    async def prune(self, before: datetime) -> int:
        """Forget events older than an instant; the numbers go on. Returns how many."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(events).where(events.c.at < before))).rowcount

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    async def _next_wake(self, seen: int) -> int:
        """Sleep until the wake count is beyond ``seen`` (news came, perhaps already) or it is time to look anyway."""
        pause = _POLL_WHILE_LISTENING_S if self.listening else _POLL_S
        with suppress(TimeoutError):
            async with asyncio.timeout(pause), self._news:
                await self._news.wait_for(lambda: self._wakes != seen)
        return self._wakes

    async def _is_after(self, sequence: int) -> bool:
        statement = select(events.c.sequence).where(events.c.sequence > sequence).limit(1)
        try:
            async with self._database.read() as connection:
                return (await connection.execute(statement)).first() is not None
        except StoreUnavailableError:
            return False

    async def _listen(self) -> None:
        failures = 0
        while True:
            try:
                await self._relay_notifications()
            except (StoreUnavailableError, psycopg.Error) as error:
                _log.warning("event_listener_disconnected", error=str(error), was_listening=self.listening)
            failures = 0 if self.listening else failures
            self.listening = False
            await asyncio.sleep(_RECONNECT_S[min(failures, len(_RECONNECT_S) - 1)])
            failures += 1

    async def _relay_notifications(self) -> None:
        connection = await self._database.listen(CHANNEL)
        try:
            self.listening = True
            await self._wake()  # what came while nobody listened
            async for _ in connection.notifies():
                await self._wake()
        finally:
            await connection.close()

    async def _wake(self) -> None:
        async with self._news:
            self._wakes += 1
            self._news.notify_all()


def _event_of(row: Row[Any]) -> Event:
    return Event(EventKind(row.kind), row.at, row.subject, row.message, row.data)
