"""Vendors' rate limits, shared by all who use one database."""

from __future__ import annotations

import asyncio
import time

from scheduler.domain.ports import Budget
from scheduler.inventory.pace import LocalPace
from scheduler.store import Store, open_store


class Counted:
    """A pace that only counts who came."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def take(self, budget: Budget) -> None:
        self.taken.append(budget.key)


async def test_two_processes_keep_to_one_budget_together(store: Store, dsn: str) -> None:
    other = await open_store(dsn, migrate=False)
    budget = Budget("lambda/default", per_s=20, burst=2)
    alone = Counted()
    began = time.monotonic()
    await asyncio.gather(*(each.pace(alone).take(budget) for each in (store, other) for _ in range(5)))
    took_s = time.monotonic() - began
    await other.close()
    assert took_s >= (10 - 2) / 20 * 0.95  # never faster than the vendor allows
    assert not alone.taken


async def test_budgets_do_not_share_turns(store: Store) -> None:
    pace = store.pace(Counted())
    await asyncio.wait_for(asyncio.gather(*(pace.take(Budget(f"cloud {n}", per_s=0.01)) for n in range(20))), 90)


async def test_without_its_database_a_process_keeps_to_the_limit_alone() -> None:
    gone = await open_store("postgresql://127.0.0.1:1/nobody", migrate=False)
    alone = Counted()
    await gone.pace(alone).take(Budget("verda/default", per_s=1))
    await gone.close()
    assert alone.taken == ["verda/default"]


async def test_a_local_pace_lets_a_burst_through_and_then_waits() -> None:
    pace, budget = LocalPace(), Budget("k", per_s=20, burst=3)
    began = time.monotonic()
    for _ in range(7):
        await pace.take(budget)
    assert time.monotonic() - began >= (7 - 3) / 20 * 0.95
