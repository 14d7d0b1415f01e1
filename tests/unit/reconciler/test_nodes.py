"""Nodes: intent before the call, a look before a second call, and nothing that is paid for by mistake."""

from __future__ import annotations

import pytest

from scheduler.domain.errors import (
    AuthError,
    NotFoundError,
    ProviderDataError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)
from scheduler.domain.events import EventKind
from scheduler.domain.lifecycle import MoveState, NodeState, PlanState, ReplicaState
from scheduler.reconciler import FindNode, LaunchNode, TerminateNode
from tests.builders import move, node, plan, replica
from tests.unit.reconciler.bench import CLUSTER, OFFER, Bench, launches, new_node, new_replica

HOME = node("n1", OFFER, CLUSTER)
START = plan(moves=[move("m1", new="b")], new_nodes=[new_node("n9")], new_replicas=[new_replica("b", "n9")])
MIGRATE = plan(moves=[move("m1", "a", "b")], new_nodes=[new_node("n9")], new_replicas=[new_replica("b", "n9")], releases=["n1"])


def asked(bench: Bench | None = None) -> tuple[Bench, LaunchNode]:
    """The launch of n9 is stored as intent, and nothing has answered yet."""
    bench = bench or Bench.of([HOME], [replica("a", HOME)])
    bench.accept(MIGRATE)
    return bench, launches(bench.step())[0]


@pytest.mark.parametrize("kind", [StockoutError, QuotaExceededError, AuthError, NotFoundError, ProviderDataError])
def test_a_refused_launch_fails_node_replica_and_move_and_leaves_the_old_one_serving(kind: type[ProviderError]) -> None:
    bench, action = asked()
    bench.answer(action, kind("aws", "no"))
    assert bench.node("n9").state is NodeState.FAILED
    assert bench.replica("b").state is ReplicaState.FAILED
    assert bench.move("m1").state is MoveState.FAILED
    assert "aws: no" in bench.move("m1").error
    bench.steps(2)
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.READY, 100)
    assert bench.node("n1").state is NodeState.READY
    assert bench.plan().state is PlanState.FAILED
    assert [event.subject for event in bench.memory.log if event.kind is EventKind.STOCKOUT] == [OFFER.id]


@pytest.mark.parametrize("kind", [TransientError, RateLimitedError])
def test_after_an_ambiguous_answer_it_looks_before_it_launches_again(kind: type[ProviderError]) -> None:
    bench, action = asked()
    bench.machines[action.node.launch_token] = 1  # the call did succeed
    bench.answer(action, kind("aws", "timed out"))
    assert bench.node("n9").state is NodeState.LAUNCHING
    again = bench.step()
    assert [type(each) for each in again.actions] == [FindNode]
    bench.answer_all(again)
    assert bench.node("n9").state is NodeState.JOINING
    assert bench.machines[action.node.launch_token] == 1


def test_a_crash_between_the_stored_intent_and_its_answer_is_resumed_by_looking() -> None:
    bench, action = asked()
    resumed = bench.step()  # a new process: nothing but the rows
    assert [type(each) for each in resumed.actions] == [FindNode]
    assert resumed.actions[0].node.launch_token == action.node.launch_token
    bench.answer_all(resumed)
    assert bench.machines == {HOME.launch_token: 1, action.node.launch_token: 1}


def test_a_launch_without_a_clear_answer_is_given_up_and_swept() -> None:
    bench, _ = asked()
    bench.pass_time(301)
    last = bench.step()
    assert bench.node("n9").state is NodeState.TERMINATING
    assert [type(each) for each in last.actions] == [TerminateNode]
    assert bench.replica("b").state is ReplicaState.FAILED
    bench.step()
    assert bench.move("m1").state is MoveState.FAILED


def test_a_launch_that_nobody_wants_any_more_is_not_looked_for_to_be_launched() -> None:
    bench, _ = asked()
    bench.memory.replicas["b"] = bench.replica("b")
    bench.accept(plan("p2", moves=[move("m9", old="b", plan="p2")]))
    bench.step()
    result = bench.step()
    assert bench.replica("b").state is ReplicaState.STOPPED
    assert [type(each) for each in result.actions] == [TerminateNode]


def test_a_machine_that_never_joins_is_released() -> None:
    bench, action = asked()
    bench.answer(action)
    bench.pass_time(901)
    result = bench.step()
    assert bench.node("n9").state is NodeState.TERMINATING
    assert [type(each) for each in result.actions] == [TerminateNode]
    assert bench.replica("b").state is ReplicaState.FAILED
    bench.steps(2)
    assert bench.move("m1").state is MoveState.FAILED
    assert bench.replica("a").state is ReplicaState.READY


def test_a_release_is_repeated_until_the_provider_says_that_it_is_gone() -> None:
    bench = Bench.of([HOME])
    bench.accept(plan(releases=["n1"]))
    first = bench.step()
    assert [type(each) for each in first.actions] == [TerminateNode]
    bench.answer_all(first, TransientError("aws", "timed out"))
    assert bench.node("n1").state is NodeState.TERMINATING
    bench.answer_all(bench.step())
    assert bench.node("n1").state is NodeState.TERMINATED
    assert not bench.machines


def test_a_machine_that_is_gone_already_needs_no_release() -> None:
    bench = Bench.of([HOME])
    bench.accept(plan(releases=["n1"]))
    bench.answer_all(bench.step(), NotFoundError("aws", "no such instance"))
    assert bench.node("n1").state is NodeState.TERMINATED


def test_a_machine_whose_account_cannot_be_reached_is_not_taken_for_gone() -> None:
    bench = Bench.of([HOME])
    bench.accept(plan(releases=["n1"]))
    bench.answer_all(bench.step(), AuthError("aws", "no launcher is configured"))
    assert bench.node("n1").state is NodeState.TERMINATING


def test_a_node_that_vanishes_is_lost_after_a_grace_and_its_replicas_with_it() -> None:
    bench = Bench.of([HOME], [replica("a", HOME)])
    bench.joined.clear()
    bench.step()
    assert bench.node("n1").state is NodeState.READY
    bench.pass_time(4)
    bench.step()
    assert bench.replica("a").state is ReplicaState.READY
    bench.pass_time(2)
    result = bench.step()
    assert bench.replica("a").state is ReplicaState.LOST
    assert bench.node("n1").state is NodeState.TERMINATING, "released in any case, so that nobody pays for a ghost"
    assert [type(each) for each in result.actions] == [TerminateNode]


def test_a_node_that_comes_back_within_the_grace_was_never_away() -> None:
    bench = Bench.of([HOME], [replica("a", HOME)])
    bench.joined.clear()
    bench.step()
    bench.joined.add("n1")
    bench.pass_time(4)
    bench.step()
    bench.joined.clear()
    bench.pass_time(4)
    bench.step()
    assert bench.node("n1").state is NodeState.READY


def test_an_incomplete_report_proves_nothing_about_what_is_absent() -> None:
    bench = Bench.of([HOME], [replica("a", HOME)])
    bench.steps(1)
    bench.complete, bench.joined = False, set()
    bench.engines.clear()
    bench.pass_time(3600)
    bench.step()
    assert bench.node("n1").state is NodeState.READY
    assert bench.replica("a").state is ReplicaState.READY


def test_only_what_is_empty_is_released() -> None:
    bench = Bench.of([HOME], [replica("a", HOME)])
    bench.accept(plan(releases=["n1"]))
    assert not bench.step().actions
    assert bench.node("n1").state is NodeState.READY
