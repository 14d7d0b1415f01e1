"""The nightly job against the real store: one process at a time, resumable at every step, once a date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from scheduler.domain.lifecycle import MoveState, PlanState
from scheduler.domain.stores import Run
from scheduler.nightly import EXIT_DONE, EXIT_FAILED, EXIT_LOCKED, Rebalance
from scheduler.nightly.rebalance import JOB, STALE_AFTER_S
from scheduler.optimizer import SolveSettings
from scheduler.store import Store
from tests.integration.postgres.loopworld import KilledError, LoopWorld

SOLVING = SolveSettings(explain=False)


@dataclass
class Mortal:
    """A store port of the job whose process is killed at one named call, before or after it took effect."""

    port: Any
    call: str
    after: bool
    when: Callable[..., bool] = lambda *_: True

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.port, name)
        if name != self.call:
            return real

        async def dying(*given: Any) -> Any:
            if not self.when(*given):
                return await real(*given)
            if self.after:
                await real(*given)
            raise KilledError

        return dying


@dataclass
class Night:
    """A fleet that a person leads by hand, one deployment larger than it was, and the job that finds that out."""

    world: LoopWorld
    offset: timedelta = timedelta()

    def clock(self) -> datetime:
        return self.world.now + self.offset

    def job(self, **ports: Any) -> Rebalance:
        store = self.world.store
        given: dict[str, Any] = {"leases": store.leases, "plans": store.plans, "fleet": store.fleet, "events": store.events} | ports
        return Rebalance(
            **given, snapshot=self.world.snapshot, prune=self._prune, clock=self.clock, solving=SOLVING, leader_patience_s=3600
        )

    async def _prune(self, before: datetime) -> int:
        return await self.world.store.events.prune(before)

    async def run(self, **ports: Any) -> tuple[int, dict[str, Any]]:
        """The job beside a living control plane: each time it waits, the loop ticks."""
        job = asyncio.ensure_future(self.job(**ports).run())
        for _ in range(60):
            done, _ = await asyncio.wait([job], timeout=0.01)
            if done:
                break
            await self.world.tick()
        return await asyncio.wait_for(job, 90)

    def next_day_is_far(self) -> None:
        """A killed job is stale, and it is still the same date."""
        self.offset += timedelta(seconds=STALE_AFTER_S + 1)


@pytest.fixture
async def night(store: Store, monkeypatch: pytest.MonkeyPatch) -> Night:
    monkeypatch.setattr("scheduler.nightly.rebalance.HEARTBEAT_S", 0.02)
    world = LoopWorld(store, automatic=False)
    await world.start()
    await world.tick(3)
    return Night(world)


async def stored(store: Store) -> tuple[object, ...]:
    runs = await store.leases.runs(JOB, 10)
    return await store.fleet.fleet(), list(await store.plans.plans(10)), list(runs), len(await store.events.latest(1000))


async def test_the_job_finds_a_better_placement_and_the_leader_carries_it_out(night: Night) -> None:
    code, report = await night.run()
    assert (code, report["outcome"], report["applied"], report["plan_state"]) == (EXIT_DONE, "done", True, "applied")
    moves = await night.world.store.plans.moves(str(report["plan"]), 100)
    assert moves
    assert {move.state for move in moves} == {MoveState.STOPPED}
    (run,) = await night.world.store.leases.runs(JOB, 5)
    assert (run.outcome, run.report["moves"]) == ("done", len(moves))


async def test_a_second_run_of_the_same_date_changes_nothing_and_tells_what_the_first_did(night: Night) -> None:
    _, first = await night.run()
    before = await stored(night.world.store)
    code, again = await night.job().run()
    assert code == EXIT_DONE
    assert again["already"] is True
    assert again["plan"] == first["plan"]
    assert await stored(night.world.store) == before


async def test_a_dry_run_reports_and_stores_nothing(night: Night) -> None:
    before = await stored(night.world.store)
    report = await night.job().dry_run()
    assert report["dry_run"] is True
    assert int(report["moves"] or 0) > 0
    assert await stored(night.world.store) == before


async def test_while_another_process_holds_the_run_it_says_so_with_its_own_exit_code(night: Night) -> None:
    store, now = night.world.store, night.clock()
    await store.leases.begin_run(JOB, now.date(), now, STALE_AFTER_S)
    before = await stored(store)
    code, report = await night.job().run()
    assert (code, report["outcome"]) == (EXIT_LOCKED, "locked")
    assert EXIT_LOCKED == 75
    assert await stored(store) == before


def at_step(name: str) -> Callable[..., bool]:
    return lambda run: isinstance(run, Run) and run.step.startswith(name)


@pytest.mark.parametrize(
    ("port", "call", "when", "after"),
    [
        ("leases", "begin_run", lambda *_: True, True),
        ("leases", "update_run", at_step("pruned"), True),
        ("plans", "propose", lambda *_: True, True),
        ("leases", "update_run", at_step("applying"), False),
        ("plans", "decide", lambda *_: True, False),
        ("plans", "decide", lambda *_: True, True),
        ("leases", "update_run", at_step("done"), False),
    ],
)
async def test_killed_at_any_step_the_next_process_ends_the_run_and_moves_everything_once(
    night: Night, port: str, call: str, when: Callable[..., bool], after: bool
) -> None:
    store = night.world.store
    with pytest.raises(KilledError):
        await night.run(**{port: Mortal(getattr(store, port), call, after, when)})
    night.next_day_is_far()
    code, report = await night.run()
    assert code == EXIT_DONE
    assert report["outcome"] == "done"
    applied = [plan for plan in await store.plans.plans(10) if plan.state is PlanState.APPLIED]
    assert len(applied) == 1
    assert await night.world.machines_match_rows()
    assert sum((await night.world.standing())[0].values()) == len(applied[0].new_replicas)


async def test_a_plan_that_no_leader_carries_out_fails_the_run_and_names_the_remedy(night: Night) -> None:
    hasty = replace(night.job(), leader_patience_s=-1.0)
    code, report = await hasty.run()
    assert (code, report["outcome"]) == (EXIT_FAILED, "failed")
    assert "is a control plane running?" in str(report["error"])
    (run,) = await night.world.store.leases.runs(JOB, 5)
    assert run.outcome == "failed"


async def test_where_nothing_can_be_improved_the_run_is_done_without_a_plan(night: Night) -> None:
    await night.run()
    night.offset += timedelta(days=1)
    plans = len(await night.world.store.plans.plans(50))
    code, report = await night.job().run()
    assert (code, report["applied"], report["moves"]) == (EXIT_DONE, False, 0)
    assert len(await night.world.store.plans.plans(50)) == plans
