"""A bug about one row must not stop all the others."""

from __future__ import annotations

from scheduler.domain.errors import IllegalTransitionError
from scheduler.domain.fleet import Replica
from scheduler.domain.lifecycle import ReplicaState
from scheduler.reconciler.draft import Draft
from tests.builders import node, replica
from tests.unit.reconciler.bench import CLUSTER, OFFER, Bench

HOME = node("n1", OFFER, CLUSTER)


def stop(draft: Draft, each: Replica) -> None:
    """Legal for what is being started, and not for what serves; it also touches its neighbour before it fails."""
    draft.replica(draft.replicas["c"], ReplicaState.STARTING)
    draft.replica(each, ReplicaState.STOPPING)


def test_what_an_illegal_transition_had_done_so_far_is_undone_and_the_rest_is_done() -> None:
    states = {"a": ReplicaState.READY, "b": ReplicaState.WARMING, "c": ReplicaState.WARMING}
    bench = Bench.of([HOME], [replica(name, HOME, state=state) for name, state in states.items()])
    draft = Draft(bench.sight())
    draft.each([draft.replicas["a"], draft.replicas["b"]], stop, lambda each: each.id)
    assert [str(error) for error in draft.refused] == ["replica a: no transition ready -> stopping"]
    assert all(isinstance(error, IllegalTransitionError) for error in draft.refused)
    assert {name: each.state for name, each in draft.replicas.items()} == {
        "a": ReplicaState.READY,
        "b": ReplicaState.STOPPING,
        "c": ReplicaState.STARTING,
    }
    assert len(draft.events) == 2
