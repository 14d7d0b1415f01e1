"""The loop over the real store: killed at any write it resumes, deposed it changes nothing."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from scheduler.control.decide import decide
from scheduler.domain.errors import FencedError
from scheduler.domain.lifecycle import MoveState, PlanState, Schedulability
from scheduler.domain.plan import Plan
from scheduler.domain.stores import ChangeSet
from scheduler.planner import PlanContext
from scheduler.store import Store, open_store
from scheduler.store.embedded import EmbeddedPostgres
from tests.conftest import TEMPLATE, execute
from tests.integration.postgres.loopworld import LoopWorld

GROWS, CLOSES, ENDS = 12, 24, 60


async def live_through(world: LoopWorld, before_tick: Callable[[int], None] = lambda _: None) -> None:
    """Start, grow, drain a cluster: half an hour of a small fleet's life."""
    await world.start()
    for tick in range(ENDS):
        if tick == GROWS:
            await world.scale(1100)
        if tick == CLOSES:
            await world.store.fleet.set_schedulability("iowa", Schedulability.DRAINING)
        before_tick(tick)
        await world.tick()


Standing = tuple[Counter[tuple[str, str]], Counter[str]]
_calm: list[tuple[Standing, set[MoveState], bool]] = []


@pytest.fixture
async def calm(postgres: EmbeddedPostgres) -> tuple[Standing, set[MoveState], bool]:
    """The run that nobody disturbs, lived through once: its end state, how its moves ended, whether machines match rows."""
    if not _calm:
        execute(postgres, f"CREATE DATABASE calm TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        store = await open_store(postgres.dsn_of("calm"), migrate=False)
        world = LoopWorld(store)
        await live_through(world)
        ends = {move.state for move in await store.plans.moves(None, 1000)}
        _calm.append((await world.standing(), ends, await world.machines_match_rows()))
        await store.close()
        execute(postgres, "DROP DATABASE calm WITH (FORCE)")
    return _calm[0]


def test_the_uninterrupted_run_serves_grows_and_drains(calm: tuple[Standing, set[MoveState], bool]) -> None:
    (replicas, _), ends, matching = calm
    assert sum(replicas.values()) >= 5
    assert {pool.split("|")[0] for _, pool in replicas} == {"virginia"}
    assert ends == {MoveState.STOPPED}
    assert matching


@pytest.mark.parametrize("seed", range(2))
async def test_killed_at_random_writes_it_ends_where_the_uninterrupted_run_ends(
    store: Store, seed: int, calm: tuple[Standing, set[MoveState], bool]
) -> None:
    world, die = LoopWorld(store), random.Random(seed)

    def maybe_kill(tick: int) -> None:
        if tick < ENDS - 20 and die.random() < 0.4:
            world.commits.left, world.commits.after = die.randrange(3), die.random() < 0.5

    await live_through(world, maybe_kill)
    assert world.kills >= 3
    assert await world.standing() == calm[0]
    assert await world.machines_match_rows()


async def test_a_deposed_leader_is_fenced_and_changes_nothing(store: Store) -> None:
    world = LoopWorld(store)
    await world.start()
    await world.tick(3)
    deposed, successor = world.loop, world.new_loop("two")
    held = deposed.epoch
    await world.live()  # the lease of the first runs out unseen
    taken = await store.leases.acquire_leadership("two", world.now, 5)
    assert taken == held + 1
    before = await store.fleet.fleet()
    # The first one wakes up in the middle of its tick and writes what it had decided.
    (cluster, *_) = before.clusters
    with pytest.raises(FencedError):
        await store.fleet.commit(ChangeSet(clusters=(replace(cluster, lease_until=None),), nodes=before.nodes), held)
    assert await store.fleet.fleet() == before
    assert await deposed.tick() is False, "it finds the lease held and only watches"
    assert deposed.epoch == 0
    assert await store.fleet.fleet() == before
    assert await successor.tick() is True
    assert successor.epoch == held + 1


async def test_agents_hear_the_new_epoch_after_a_change_of_leader(store: Store) -> None:
    world = LoopWorld(store)
    await world.start()
    await world.tick(8)
    first = await store.agents.desired("virginia")
    await world.kill()
    await world.tick(1)
    second = await store.agents.desired("virginia")
    assert first is not None
    assert second is not None
    assert second.epoch == first.epoch + 1
    assert second.replicas == first.replicas


async def proposed(world: LoopWorld, name: str) -> Plan:
    """A plan as a preview stores it."""
    snapshot = await world.snapshot(world.now)
    moves = (await world.store.fleet.fleet()).moves
    plan = decide(snapshot, moves, PlanContext(name, world.now, 0, "preview")).plan
    await world.store.plans.propose(plan)
    return plan


async def test_a_plan_that_a_person_applies_is_begun_and_carried_out(store: Store) -> None:
    world = LoopWorld(store, automatic=False)
    await world.start()
    await world.tick(3)
    plan = await proposed(world, "byhand")
    assert not (await store.fleet.fleet()).nodes, "nothing moves by itself"
    await store.plans.decide(plan.id, PlanState.APPLYING, "k-1")
    await world.tick(12)
    assert (await store.plans.plan(plan.id)).state is PlanState.APPLIED
    assert {move.state for move in await store.plans.moves(plan.id, 100)} == {MoveState.STOPPED}
    replicas, _ = await world.standing()
    assert sum(replicas.values()) == len(plan.new_replicas) > 0


async def test_a_plan_applied_over_one_under_way_takes_over_from_it(store: Store) -> None:
    world = LoopWorld(store, automatic=False)
    await world.start()
    await world.tick(2)
    first = await proposed(world, "first")
    await store.plans.decide(first.id, PlanState.APPLYING, "k-1")
    await world.tick(2)
    await world.scale(1500)
    second = await proposed(world, "second")
    await store.plans.decide(second.id, PlanState.APPLYING, "k-1")
    await world.tick(16)
    assert (await store.plans.plan(first.id)).state is PlanState.SUPERSEDED
    assert (await store.plans.plan(second.id)).state is PlanState.APPLIED
    assert await world.machines_match_rows()


async def test_a_plan_whose_replicas_are_gone_is_superseded_with_its_reason(store: Store) -> None:
    world = LoopWorld(store, automatic=False)
    await world.start()
    await world.tick(2)
    plan = await proposed(world, "grow")
    await store.plans.decide(plan.id, PlanState.APPLYING, "k-1")
    await world.tick(12)
    await store.fleet.set_schedulability("iowa", Schedulability.DRAINING)
    stale, fresh = await proposed(world, "stale"), await proposed(world, "fresh")
    await store.plans.decide(fresh.id, PlanState.APPLYING, "k-1")
    await world.tick(16)
    assert (await store.plans.plan(fresh.id)).state is PlanState.APPLIED
    await store.plans.decide(stale.id, PlanState.APPLYING, "k-1")
    await world.tick(1)
    assert (await store.plans.plan(stale.id)).state is PlanState.SUPERSEDED
    told = [event.message for _, event in await store.events.latest(50) if event.subject == stale.id]
    assert "no longer fits" in told[0]


async def test_a_crash_of_one_tick_does_not_end_the_loop(store: Store) -> None:
    world = LoopWorld(store)
    await world.start()
    world.commits.left = 0
    with suppress(Exception):
        await world.tick()
    await world.tick(12)
    assert sum((await world.standing())[0].values()) > 0
