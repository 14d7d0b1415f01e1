from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scheduler.domain.fleet import Node, Replica, pool_id
from scheduler.domain.lifecycle import NodeState
from scheduler.domain.plan import Move, MoveKind
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.workload import DisruptionBudget
from scheduler.planner import PlanContext, make_plan
from tests.builders import NOW, deployment, node, offer, placement, replica, target, world

CLUSTER = "aws-us-east-1"
OLD, NEW = offer(usd=2.0), offer(usd=1.0, zone="us-east-1b")
CONTEXT = PlanContext("p", NOW, 1, "test")


def running(count: int, of_generation: int = 1) -> tuple[list[Node], list[Replica]]:
    nodes = [node(f"n{i}", OLD, CLUSTER) for i in range(count)]
    return nodes, [replica(f"r{i}", at, generation=of_generation) for i, at in enumerate(nodes)]


def fleet(nodes: list[Node], replicas: list[Replica], launchable: int = 9, **wishes: object) -> Snapshot:
    caps = {each.id: LaunchCap(launchable, 1.0, "test") for each in (OLD, NEW)}
    return world(offers=[OLD, NEW], nodes=nodes, replicas=replicas, deployments=[deployment(**wishes)], caps=caps)


def elsewhere(count: int) -> tuple[Move, ...]:
    nodes, replicas = running(count)
    return make_plan(fleet(nodes, replicas, disruption=DisruptionBudget(0, 2)), target(placement(NEW, CLUSTER, count)), CONTEXT).moves


def test_leavers_and_arrivals_of_a_deployment_become_migrations() -> None:
    assert [move.kind for move in elsewhere(2)] == [MoveKind.MIGRATE] * 2


def test_migrations_come_in_batches_no_larger_than_the_surge() -> None:
    assert [move.wave for move in elsewhere(5)] == [1, 1, 2, 2, 3]


def test_what_runs_against_a_deadline_comes_first() -> None:
    nodes, replicas = running(3)
    nodes[2] = replace(nodes[2], state=NodeState.INTERRUPTED, interrupted=True, deadline=NOW + timedelta(seconds=90))
    moves = make_plan(fleet(nodes, replicas), target(placement(NEW, CLUSTER, 3)), CONTEXT).moves
    assert (moves[0].old_replica, moves[0].wave, moves[0].urgent_until) == ("r2", 0, NOW + timedelta(seconds=90))
    assert all(move.wave >= 1 and move.urgent_until is None for move in moves[1:])


def test_stops_come_last() -> None:
    nodes, replicas = running(3)
    goal = target(placement(OLD, CLUSTER, 1), placement(NEW, CLUSTER, 1), existing={pool_id(CLUSTER, OLD.id): 3})
    moves = make_plan(fleet(nodes, replicas), goal, CONTEXT).moves
    assert [move.kind for move in moves] == [MoveKind.MIGRATE, MoveKind.STOP]
    assert moves[1].wave > moves[0].wave


def rollout(nodes: int, unavailable: int) -> tuple[Move, ...]:
    """A new generation on a full fleet that cannot grow."""
    where, replicas = running(nodes)
    snapshot = fleet(where, replicas, launchable=0, generation=2, disruption=DisruptionBudget(unavailable, 1))
    goal = target(placement(OLD, CLUSTER, nodes), existing={pool_id(CLUSTER, OLD.id): nodes})
    return make_plan(snapshot, goal, CONTEXT).moves


def test_where_nothing_can_be_launched_a_rollout_stops_one_then_starts_its_successor_and_so_on() -> None:
    story = [(move.wave, move.kind) for move in rollout(3, unavailable=0)]
    assert story == [(wave, MoveKind.STOP if wave % 2 else MoveKind.START) for wave in range(1, 7)]


def test_such_a_rollout_stops_no_more_at_once_than_the_deployment_may_lack() -> None:
    moves = rollout(5, unavailable=2)
    by_wave = [sum(move.wave == wave and move.kind is MoveKind.STOP for move in moves) for wave in (1, 3, 5)]
    assert by_wave == [2, 2, 1]
    assert {move.wave for move in moves if move.kind is MoveKind.START} == {2, 4, 6}


def test_ids_follow_the_order_so_that_applying_twice_creates_once() -> None:
    assert [move.id for move in elsewhere(3)] == ["p-m1", "p-m2", "p-m3"]
    assert elsewhere(3) == elsewhere(3)


def test_nodes_left_empty_are_released_and_their_price_is_saved() -> None:
    nodes, replicas = running(2)
    plan = make_plan(fleet(nodes, replicas), target(placement(NEW, CLUSTER, 2)), CONTEXT)
    assert plan.releases == ("n0", "n1")
    assert (plan.cost_before_micro_usd_per_h, plan.cost_after_micro_usd_per_h) == (4_000_000, 2_000_000)
