from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from scheduler.domain.lifecycle import NodeState, ReplicaState
from scheduler.domain.snapshot import Snapshot
from scheduler.planner.diff import difference
from tests.builders import NOW, deployment, node, offer, placement, replica, target, world

OFFER = offer()
CLUSTER = "aws-us-east-1"
NODES = [node(f"n{i}", OFFER, CLUSTER) for i in range(1, 4)]


def fleet(*replicas: object, **parts: object) -> Snapshot:
    return world(offers=[OFFER], nodes=NODES, replicas=list(replicas), deployments=[deployment()], **parts)


def test_a_replica_that_the_target_wants_where_it_is_stays() -> None:
    change = difference(fleet(replica("a", NODES[0])), target(placement(OFFER, CLUSTER, 1)))
    assert [r.id for r in change.staying] == ["a"]
    assert not change.leaving
    assert not change.arriving


def test_missing_replicas_arrive_one_by_one() -> None:
    change = difference(fleet(replica("a", NODES[0])), target(placement(OFFER, CLUSTER, 3)))
    assert len(change.arriving) == 2


def test_of_too_many_the_ready_and_the_busiest_stay() -> None:
    starting = replica("a", NODES[0], state=ReplicaState.STARTING)
    idle, busy = replica("b", NODES[1], in_flight=1), replica("c", NODES[2], in_flight=9)
    change = difference(fleet(starting, idle, busy), target(placement(OFFER, CLUSTER, 1)))
    assert [r.id for r in change.staying] == ["c"]
    assert {r.id for r in change.leaving} == {"a", "b"}


def test_a_replica_of_an_older_generation_leaves_and_its_successor_arrives() -> None:
    snapshot = fleet(replica("a", NODES[0], generation=1))
    snapshot = replace(snapshot, deployments=(deployment(generation=2),))
    change = difference(snapshot, target(placement(OFFER, CLUSTER, 1)))
    assert [r.id for r in change.leaving] == ["a"]
    assert len(change.arriving) == 1


def test_a_replica_on_a_node_under_notice_leaves_before_the_others() -> None:
    doomed = replace(NODES[1], state=NodeState.INTERRUPTED, interrupted=True, deadline=NOW + timedelta(seconds=30))
    snapshot = world(
        offers=[OFFER], nodes=[NODES[0], doomed], deployments=[deployment()], replicas=[replica("a", NODES[0]), replica("z", doomed)]
    )
    change = difference(snapshot, target())
    assert [r.id for r in change.leaving] == ["z", "a"]


def test_what_already_leaves_is_neither_counted_nor_asked_to_leave_again() -> None:
    change = difference(fleet(replica("a", NODES[0], state=ReplicaState.DRAINING)), target(placement(OFFER, CLUSTER, 1)))
    assert not change.staying
    assert not change.leaving
    assert len(change.arriving) == 1


def test_replicas_of_a_deleted_deployment_leave() -> None:
    snapshot = replace(fleet(replica("a", NODES[0])), deployments=())
    assert [r.id for r in difference(snapshot, target()).leaving] == ["a"]
