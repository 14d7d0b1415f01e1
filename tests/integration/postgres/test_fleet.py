"""What runs and what moves: written by one leader, whole or not at all, and never by a deposed one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.domain.agentstate import DesiredReplica, DesiredState, EngineLaunch, ObservedNode, ObservedReplica, ObservedState
from scheduler.domain.errors import ConflictError, FencedError, InvalidInputError, NoSuchError
from scheduler.domain.events import Event, EventKind, Notice
from scheduler.domain.lifecycle import ClusterState, MoveState, NodeState, PlanState, ReplicaState, Schedulability
from scheduler.domain.plan import CostTerm, GateVerdict, Move, MoveKind, NewNode, NewReplica, Plan, PoolTarget, Reason, Target, Verdict
from scheduler.domain.stores import ChangeSet, Fleet
from scheduler.domain.workload import EngineKind
from scheduler.store import Store
from tests.builders import NOW, cluster, node, offer, replica

HERE = cluster()
SECOND = timedelta(seconds=1)


def plan(id: str = "p1", **more: object) -> Plan:  # noqa: A002
    target = Target(
        placements=(),
        pools=(PoolTarget("aws-us-east-1|o", "aws-us-east-1", "o", 1, 0, 1_000_000),),
        routes=(),
        unmet=(),
        terms=(CostTerm("nodes", 1_000_000, "1 node"),),
        objective_micro_usd_per_h=1_000_000,
        bound_micro_usd_per_h=990_000,
        gap=0.01,
        status="optimal",
        solve_ms=12,
        reasons=(Reason("d", "o", "aws-us-east-1", Verdict.CHOSEN, "cost", "the cheapest"),),
    )
    made = Plan(
        id=id,
        created_at=NOW,
        snapshot_version=2**62,
        epoch=1,
        trigger="deployment_changed",
        target=target,
        new_nodes=(NewNode("n1", "aws-us-east-1", "o"),),
        new_replicas=(NewReplica("r1", "d", "s", "aws-us-east-1", ("n1",), 1),),
        moves=(move("m1", id),),
        releases=(),
        cost_before_micro_usd_per_h=0,
        cost_after_micro_usd_per_h=1_000_000,
        gate=GateVerdict(True, True, 0.0, 1.0, "demand is unmet"),
    )
    return replace(made, **more)  # type: ignore[arg-type]


def move(id: str, of_plan: str = "p1", **more: object) -> Move:  # noqa: A002
    return replace(Move(id, of_plan, 1, MoveKind.START, "d", "", "r1", "new"), **more)  # type: ignore[arg-type]


def desired(epoch: int, version: int) -> DesiredState:
    launch = EngineLaunch(EngineKind.LLAMACPP, ("llama-server", "--port", "{port}"), "hub:m", "m", env={"A": "b"})
    return DesiredState(HERE.id, epoch, version, (DesiredReplica("r1", "d", 1, ("n1",), 1, launch),), ("n1",))


@pytest.fixture
async def epoch(store: Store) -> int:
    """This test leads, and its cluster is declared."""
    await store.fleet.put_clusters([HERE])
    won = await store.leases.acquire_leadership("here", NOW, 10)
    assert won is not None
    return won


async def test_a_step_comes_back_whole(store: Store, epoch: int) -> None:
    machine = node("n1", offer(), HERE.id, deadline=NOW, reason="launched")
    serving = replica("r1", machine)
    open_plan = plan(state=PlanState.APPLYING)
    step = ChangeSet(
        nodes=(machine,),
        replicas=(serving,),
        plans=(open_plan,),
        moves=open_plan.moves,
        desired=(desired(epoch, 1),),
        events=(_event("n1"),),
    )
    await store.fleet.commit(step, epoch)
    assert await store.fleet.fleet() == Fleet((HERE,), (machine,), (serving,), open_plan.moves, open_plan, (desired(epoch, 1),))
    assert [event for _, event in await store.events.after(0, 10)] == [_event("n1")]


async def test_ended_things_leave_the_fleet_and_stay_on_record(store: Store, epoch: int) -> None:
    machine = node("n1", offer(), HERE.id)
    gone = replace(replica("r1", machine), state=ReplicaState.STOPPED, ended_at=NOW)
    await store.fleet.commit(ChangeSet(nodes=(machine,), replicas=(replica("r1", machine), replica("r2", machine))), epoch)
    await store.fleet.commit(ChangeSet(nodes=(replace(machine, state=NodeState.TERMINATED),), replicas=(gone,)), epoch)
    fleet = await store.fleet.fleet()
    assert ([found.id for found in fleet.nodes], [found.id for found in fleet.replicas]) == ([], ["r2"])
    assert await store.fleet.ended_replicas(NOW) == [gone]
    assert await store.fleet.ended_replicas(NOW + SECOND) == []


async def test_the_open_plan_is_the_newest_applying_one_with_its_moves_and_all_unfinished_ones(store: Store, epoch: int) -> None:
    old = plan("old", state=PlanState.APPLYING)
    new = plan("new", state=PlanState.APPLYING, created_at=NOW + SECOND)
    moves = (
        move("of-old-open", "old"),
        move("of-old-ended", "old", state=MoveState.STOPPED),
        move("of-new-ended", "new", state=MoveState.FAILED),
    )
    await store.fleet.commit(ChangeSet(plans=(old, new, plan("idle")), moves=moves), epoch)
    fleet = await store.fleet.fleet()
    assert fleet.plan == new
    assert [found.id for found in fleet.moves] == ["of-old-open", "of-new-ended"]


async def test_a_deposed_leader_changes_nothing(store: Store, epoch: int) -> None:
    await store.leases.acquire_leadership("there", NOW + 11 * SECOND, 10)
    with pytest.raises(FencedError) as caught:
        await store.fleet.commit(ChangeSet(nodes=(node("n1", offer(), HERE.id),), events=(_event("n1"),)), epoch)
    assert (caught.value.held, caught.value.current) == (epoch, epoch + 1)
    assert (await store.fleet.fleet()).nodes == ()
    assert await store.events.after(0, 10) == []


async def test_a_takeover_waits_for_the_commit_under_way(store: Store, epoch: int) -> None:
    async def commits() -> None:
        for number in range(20):
            await store.fleet.commit(ChangeSet(nodes=(node(f"n{number}", offer(), HERE.id),)), epoch)

    async def takeover() -> int:
        won = await store.leases.acquire_leadership("there", NOW + 11 * SECOND, 10)
        assert won is not None
        return len((await store.fleet.fleet()).nodes)

    results = await asyncio.gather(commits(), takeover(), return_exceptions=True)
    written_at_takeover = results[1]
    assert isinstance(results[0], FencedError)
    assert len((await store.fleet.fleet()).nodes) == written_at_takeover


async def test_a_step_that_fails_half_way_leaves_nothing(store: Store, epoch: int) -> None:
    good, orphan = node("n1", offer(), HERE.id), node("n2", offer(), "no-such-cluster")
    with pytest.raises(ConflictError, match="fk_nodes_cluster"):
        await store.fleet.commit(ChangeSet(nodes=(good, orphan)), epoch)
    assert (await store.fleet.fleet()).nodes == ()


async def test_two_nodes_never_share_a_launch_token(store: Store, epoch: int) -> None:
    twin = replace(node("n2", offer(), HERE.id), launch_token="token-n1")
    with pytest.raises(ConflictError, match="uq_nodes_launch_token"):
        await store.fleet.commit(ChangeSet(nodes=(node("n1", offer(), HERE.id), twin)), epoch)


async def test_what_people_want_of_a_cluster_and_what_is_known_of_it_do_not_overwrite_each_other(store: Store, epoch: int) -> None:
    assert (await store.fleet.set_schedulability(HERE.id, Schedulability.CORDONED)).schedulability is Schedulability.CORDONED
    suspect = replace(HERE, state=ClusterState.SUSPECT, lease_until=NOW, schedulability=Schedulability.OPEN, region="elsewhere")
    await store.fleet.commit(ChangeSet(clusters=(suspect,)), epoch)
    await store.fleet.put_clusters([replace(HERE, zones=("us-east-1a",), state=ClusterState.JOINING)])
    (known,) = (await store.fleet.fleet()).clusters
    assert known == replace(
        HERE, state=ClusterState.SUSPECT, lease_until=NOW, schedulability=Schedulability.CORDONED, zones=("us-east-1a",)
    )
    with pytest.raises(NoSuchError, match="no such cluster"):
        await store.fleet.set_schedulability("nowhere", Schedulability.OPEN)


async def test_what_is_asked_of_a_cluster_never_goes_back(store: Store, epoch: int) -> None:
    for state in (desired(1, 5), desired(1, 4), desired(2, 1), desired(1, 9)):
        await store.fleet.commit(ChangeSet(desired=(state,)), epoch)
    assert await store.agents.desired(HERE.id) == desired(2, 1)
    assert await store.agents.desired("nowhere") is None


async def test_a_proposed_plan_is_decided_once(store: Store) -> None:
    await store.plans.propose(plan())
    with pytest.raises(ConflictError, match="exists already"):
        await store.plans.propose(plan())
    decisions = await asyncio.gather(
        store.plans.decide("p1", PlanState.APPLYING, "ann"), store.plans.decide("p1", PlanState.REJECTED, "bob"), return_exceptions=True
    )
    assert sorted(type(decision).__name__ for decision in decisions) == ["ConflictError", "Plan"]
    decided = next(decision for decision in decisions if isinstance(decision, Plan))
    assert await store.plans.plan("p1") == decided
    assert decided.decided_by in ("ann", "bob")
    with pytest.raises(InvalidInputError, match="Decide for applying or rejected"):
        await store.plans.decide("p1", PlanState.APPLIED, "ann")
    with pytest.raises(NoSuchError):
        await store.plans.decide("p9", PlanState.APPLYING, "ann")


async def test_plans_and_moves_are_listed_newest_first(store: Store, epoch: int) -> None:
    await store.fleet.commit(
        ChangeSet(plans=(plan("a"), plan("b", created_at=NOW + SECOND)), moves=(move("m1", "a"), move("m2", "b"))), epoch
    )
    await store.fleet.commit(ChangeSet(moves=(move("m1", "a", state=MoveState.STARTING),)), epoch)
    assert [found.id for found in await store.plans.plans(5)] == ["b", "a"]
    assert [found.id for found in await store.plans.moves(None, 5)] == ["m2", "m1"]
    assert [found.state for found in await store.plans.moves("a", 5)] == [MoveState.STARTING]
    assert len(await store.plans.moves(None, 1)) == 1


async def test_the_last_report_of_a_cluster_is_kept_with_its_lease(store: Store, epoch: int) -> None:
    seen = ObservedReplica("r1", 1, ReplicaState.READY, "n1", "127.0.0.1:9000", pid=7, phases_ms={"load": 900})
    report = ObservedState(HERE.id, 1, 2, NOW, nodes=(ObservedNode("n1", True, 8),), replicas=(seen,))
    await store.agents.report(report, NOW + 10 * SECOND)
    await store.agents.report(replace(report, observed_at=NOW - SECOND, replicas=()), NOW + 9 * SECOND)
    assert await store.agents.observations() == [(report, NOW + 10 * SECOND)]
    with pytest.raises(NoSuchError, match="no such cluster"):
        await store.agents.report(replace(report, cluster="nowhere"), NOW)


async def test_a_notice_is_kept_once_and_closed_by_the_leader(store: Store, epoch: int) -> None:
    warning = Notice("n1", EventKind.INTERRUPTION_NOTICE, NOW + 120 * SECOND, "spot/instance-action", NOW)
    advice = Notice("n1", EventKind.REBALANCE_RECOMMENDATION, None, "rebalance", NOW - SECOND)
    for notice in (warning, replace(warning, received_at=NOW + SECOND), advice, advice):
        await store.agents.put_notice(notice)
    assert await store.agents.open_notices() == [advice, warning]
    await store.fleet.commit(ChangeSet(handled_notices=("n1/rebalance_recommendation",)), epoch)
    await store.agents.put_notice(advice)
    assert await store.agents.open_notices() == [warning]
    await store.fleet.commit(ChangeSet(handled_notices=("n1",)), epoch)
    assert await store.agents.open_notices() == []
    sooner = replace(warning, deadline=NOW + 30 * SECOND)
    await store.agents.put_notice(sooner)
    assert await store.agents.open_notices() == [sooner]


def _event(subject: str) -> Event:
    return Event(EventKind.NODE_CHANGED, NOW, subject, "a node changed", {"attempt": 1, "price": 0.5, "spot": True, "zone": None})
