from __future__ import annotations

from scheduler.domain.lifecycle import MoveState, ReplicaState
from scheduler.planner import decision_view
from tests.builders import move, node, offer, replica, world

OFFER = offer()
HERE, THERE = node("n1", OFFER, "aws-us-east-1"), node("n2", OFFER, "aws-us-east-1")
SNAPSHOT = world(nodes=[HERE, THERE], replicas=[replica("old", HERE), replica("new", THERE, state=ReplicaState.REQUESTED)])


def states(state: MoveState) -> dict[str, ReplicaState]:
    return {r.id: r.state for r in decision_view(SNAPSHOT, [move("m", "old", "new", state=state)]).replicas}


def test_a_begun_move_counts_as_done() -> None:
    assert states(MoveState.STARTING) == {"old": ReplicaState.DRAINING, "new": ReplicaState.REQUESTED}


def test_a_move_not_yet_begun_counts_as_never_planned() -> None:
    assert states(MoveState.REQUESTED) == {"old": ReplicaState.READY}


def test_an_ended_move_changes_nothing() -> None:
    assert states(MoveState.FAILED) == {"old": ReplicaState.READY, "new": ReplicaState.REQUESTED}
