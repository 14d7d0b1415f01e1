"""Vendors' rate limits, kept together by all processes that share this database."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from scheduler.domain.errors import HeadraceError
from scheduler.domain.ports import Budget, Pace
from scheduler.store.database import Database

# The bucket leaks at the vendor's rate. A caller adds its call and learns when the bucket will have room for it; by the database's clock.
_TAKE = """
INSERT INTO call_budgets AS b (key, empty_at) VALUES (:key, clock_timestamp() + :cost * interval '1 second')
ON CONFLICT (key) DO UPDATE SET empty_at = greatest(b.empty_at, clock_timestamp()) + :cost * interval '1 second'
RETURNING greatest(0, extract(epoch FROM empty_at - clock_timestamp()) - :burst * :cost) AS wait_s
"""


class SharedPace:
    """Implements ``Pace`` on Postgres. While the database is away, ``alone`` keeps at least this process within the limits."""

    def __init__(self, database: Database, alone: Pace) -> None:
        self._database, self._alone = database, alone

    async def take(self, budget: Budget) -> None:
        """Wait for the turn and use it up."""
        parameters = {"key": budget.key, "cost": 1 / budget.per_s, "burst": budget.burst}
        try:
            async with self._database.write() as connection:
                wait_s = float((await connection.execute(text(_TAKE), parameters)).scalar_one())
        except HeadraceError:
            await self._alone.take(budget)
            return
        if wait_s > 0:
            await asyncio.sleep(wait_s)
