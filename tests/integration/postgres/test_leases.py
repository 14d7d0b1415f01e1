"""Who leads, and who runs a job."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest

from scheduler.domain.errors import ConflictError
from scheduler.store import Store
from tests.builders import NOW

SECOND = timedelta(seconds=1)
TODAY = date(2026, 6, 30)


async def test_a_holder_renews_and_keeps_its_epoch(store: Store) -> None:
    assert await store.leases.acquire_leadership("a", NOW, 10) == 1
    assert await store.leases.acquire_leadership("a", NOW + 5 * SECOND, 10) == 1
    assert await store.leases.acquire_leadership("a", NOW + 60 * SECOND, 10) == 1


async def test_another_holder_waits_for_the_end_of_the_lease_and_gets_a_new_epoch(store: Store) -> None:
    await store.leases.acquire_leadership("a", NOW, 10)
    assert await store.leases.acquire_leadership("b", NOW + 9 * SECOND, 10) is None
    assert await store.leases.acquire_leadership("b", NOW + 10 * SECOND, 10) == 2
    assert await store.leases.acquire_leadership("a", NOW + 11 * SECOND, 10) is None
    assert await store.leases.acquire_leadership("a", NOW + 20 * SECOND, 10) == 3


async def test_a_released_lease_is_free_at_once_and_its_epoch_is_never_given_again(store: Store) -> None:
    await store.leases.acquire_leadership("a", NOW, 10)
    await store.leases.release_leadership("a", 99)
    assert await store.leases.acquire_leadership("b", NOW, 10) is None
    await store.leases.release_leadership("a", 1)
    assert await store.leases.acquire_leadership("a", NOW, 10) == 2


async def test_of_many_that_ask_at_once_one_leads(store: Store) -> None:
    epochs = await asyncio.gather(*(store.leases.acquire_leadership(f"h{number}", NOW, 10) for number in range(8)))
    assert sorted(epoch for epoch in epochs if epoch is not None) == [1]


async def test_a_run_is_begun_by_one_and_finished_once(store: Store) -> None:
    begun = await asyncio.gather(*(store.leases.begin_run("nightly", TODAY, NOW, 60) for _ in range(4)))
    (run,) = [run for run in begun if run is not None]
    await store.leases.update_run(replace(run, outcome="done", step="report", report={"margin": 0.4}))
    again = await store.leases.begin_run("nightly", TODAY, NOW + SECOND, 60)
    assert again is not None
    assert (again.outcome, again.report) == ("done", {"margin": 0.4})


async def test_a_run_without_a_heartbeat_is_taken_over_at_its_step_and_its_old_owner_is_told(store: Store) -> None:
    first = await store.leases.begin_run("nightly", TODAY, NOW, 60)
    assert first is not None
    await store.leases.update_run(replace(first, step="usage", heartbeat_at=NOW + 30 * SECOND))
    assert await store.leases.begin_run("nightly", TODAY, NOW + 89 * SECOND, 60) is None
    second = await store.leases.begin_run("nightly", TODAY, NOW + 90 * SECOND, 60)
    assert second is not None
    assert second.step == "usage"
    with pytest.raises(ConflictError, match="taken over"):
        await store.leases.update_run(replace(first, step="margin"))
    await store.leases.update_run(replace(second, outcome="failed"))


async def test_runs_are_listed_by_job_newest_first(store: Store) -> None:
    for day in (1, 2, 3):
        await store.leases.begin_run("nightly", date(2026, 6, day), NOW, 60)
    await store.leases.begin_run("other", TODAY, NOW, 60)
    assert [run.run_date.day for run in await store.leases.runs("nightly", 2)] == [3, 2]
