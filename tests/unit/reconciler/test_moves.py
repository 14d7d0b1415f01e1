"""Moves from their first step to their end: make before break, and every way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.domain.lifecycle import ClusterState, MoveState, NodeState, PlanState, ReplicaState, Schedulability
from tests.builders import cluster, move, node, plan, replica
from tests.unit.reconciler.bench import CLUSTER, OFFER, Bench, launches, new_node, new_replica, started

HOME, SPARE = node("n1", OFFER, CLUSTER), node("n2", OFFER, CLUSTER)
START = plan(moves=[move("m1", new="b")], new_nodes=[new_node("n9")], new_replicas=[new_replica("b", "n9")])
MIGRATE = plan(moves=[move("m1", "a", "b")], new_replicas=[new_replica("b", "n2")], releases=["n1"])


def migrating() -> Bench:
    """``a`` serves on n1; ``b`` has just been handed to the agent on n2."""
    bench = Bench.of([HOME, SPARE], [replica("a", HOME)])
    started(bench, MIGRATE)
    assert bench.replica("b").state is ReplicaState.STARTING
    return bench


def shifted() -> Bench:
    """``b`` has answered, and both share the traffic."""
    bench = migrating()
    bench.ready("b")
    bench.step()
    assert bench.move("m1").state is MoveState.SHIFTING
    return bench


def draining() -> Bench:
    bench = shifted()
    bench.pass_time(1)
    bench.step()
    assert bench.move("m1").state is MoveState.DRAINING
    return bench


def test_a_start_launches_its_node_starts_its_engine_and_ends_when_it_answers() -> None:
    bench = Bench.of()
    bench.accept(START)
    first = bench.step()
    assert [action.node.id for action in launches(first)] == ["n9"]
    assert bench.node("n9").state is NodeState.LAUNCHING
    bench.answer_all(first)
    assert bench.node("n9").state is NodeState.JOINING
    bench.joined.add("n9")
    bench.step()
    assert bench.wanted() == {"b"}
    bench.obey()
    bench.ready("b")
    bench.steps(2)
    assert bench.replica("b").weight == 100
    assert bench.move("m1").state is MoveState.STOPPED
    assert bench.plan().state is PlanState.APPLIED


def test_the_old_replica_serves_in_full_until_the_new_one_has_answered() -> None:
    bench = migrating()
    for state in (ReplicaState.STARTING, ReplicaState.WARMING):
        bench.engines["b"] = state
        bench.pass_time(10)
        bench.step()
        assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.READY, 100)
        assert bench.replica("b").weight == 0


def test_old_and_new_share_traffic_for_one_step_before_the_old_one_drains() -> None:
    bench = shifted()
    assert (bench.replica("a").weight, bench.replica("b").weight) == (100, 100)
    bench.step()
    assert bench.replica("a").state is ReplicaState.READY, "the step is not over yet"
    bench.pass_time(1)
    bench.step()
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.DRAINING, 0)


def test_the_old_replica_serves_until_the_edge_has_seen_the_new_one_answer() -> None:
    bench = shifted()
    bench.healthy = frozenset({bench.replica("a").endpoint})
    bench.pass_time(30)
    bench.step()
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.READY, 100)
    bench.healthy = frozenset({bench.replica("a").endpoint, bench.replica("b").endpoint})
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING


def test_a_new_replica_that_the_edge_never_reaches_fails_its_move_and_the_old_one_stays() -> None:
    bench = shifted()
    bench.healthy = frozenset({bench.replica("a").endpoint})
    bench.pass_time(61)
    bench.step()
    assert bench.move("m1").state is MoveState.FAILED
    assert bench.replica("b").endpoint in bench.move("m1").error
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.READY, 100)


def test_an_empty_replica_stops_only_after_the_edge_had_time_to_take_the_table() -> None:
    bench = draining()
    bench.pass_time(1.9)
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING
    bench.pass_time(0.2)
    bench.step()
    assert bench.replica("a").state is ReplicaState.STOPPING
    assert bench.wanted() == {"b"}


def test_a_loop_that_stalled_still_gives_the_edge_its_time() -> None:
    bench = shifted()
    bench.pass_time(30)
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING, "not stopped in the very step in which the edge is told"


def test_a_busy_replica_drains_until_its_last_request_is_done() -> None:
    bench = draining()
    bench.load["a"] = 1
    bench.pass_time(50)
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING
    bench.load["a"] = 0
    bench.step()
    assert bench.replica("a").state is ReplicaState.STOPPING


def test_a_drain_ends_at_its_deadline_and_says_what_it_broke() -> None:
    bench = draining()
    bench.load["a"] = 3
    bench.pass_time(100)
    bench.step()
    assert bench.replica("a").state is ReplicaState.STOPPING
    assert bench.replica("a").reason == "out of time with 3 requests"


def test_the_plan_ends_when_the_old_engine_is_gone_and_its_node_is_on_its_way_out() -> None:
    bench = draining()
    bench.steps(6)
    assert bench.replica("a").state is ReplicaState.STOPPED
    assert bench.node("n1").state is NodeState.TERMINATING
    assert bench.move("m1").state is MoveState.STOPPED
    assert bench.plan().state is PlanState.APPLIED


def test_a_new_replica_that_fails_leaves_the_old_one_serving() -> None:
    bench = migrating()
    bench.engines["b"] = ReplicaState.FAILED
    bench.step()
    assert bench.move("m1").state is MoveState.FAILED
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.READY, 100)
    bench.steps(2)
    assert bench.plan().state is PlanState.FAILED
    assert bench.node("n1").state is NodeState.READY, "what still serves is not released"


def test_a_new_replica_that_is_not_ready_in_time_is_given_up() -> None:
    bench = migrating()
    bench.pass_time(301)
    bench.step()
    assert bench.move("m1").state is MoveState.FAILED
    assert bench.replica("b").state is ReplicaState.STOPPING
    assert bench.replica("a").state is ReplicaState.READY


def test_a_new_replica_that_fails_while_traffic_shifts_puts_the_old_one_back() -> None:
    bench = shifted()
    bench.engines["b"] = ReplicaState.FAILED
    bench.step()
    assert bench.move("m1").state is MoveState.FAILED
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.READY, 100)


def test_a_move_whose_new_replica_vanished_from_the_rows_fails_at_whatever_state_it_is() -> None:
    for state in (MoveState.STARTING, MoveState.SHIFTING):
        bench = migrating()
        bench.memory.all_moves["m1"] = replace(bench.move("m1"), state=state)
        del bench.memory.replicas["b"]
        bench.step()
        assert bench.move("m1").state is MoveState.FAILED


def test_an_old_replica_that_dies_meanwhile_makes_the_migration_a_start() -> None:
    bench = migrating()
    bench.engines["a"] = ReplicaState.FAILED
    bench.step()
    bench.ready("b")
    bench.step()
    assert bench.move("m1").state is MoveState.STOPPED
    assert bench.replica("b").weight == 100


def test_a_stop_gives_the_edge_its_time_too() -> None:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME), replica("c", SPARE)])
    bench.accept(plan(moves=[move("m1", old="a")]))
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING
    bench.pass_time(1.9)
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING
    bench.pass_time(0.2)
    bench.step()
    assert bench.replica("a").state is ReplicaState.STOPPING


def test_a_later_wave_neither_launches_nor_starts_before_its_turn() -> None:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME), replica("c", HOME)])
    moves = [move("m1", "a", "b", wave=1), move("m2", "c", "e", wave=2)]
    bench.accept(plan(moves=moves, new_nodes=[new_node("n9")], new_replicas=[new_replica("b", "n2"), new_replica("e", "n9")]))
    assert not launches(bench.step())
    bench.obey()
    bench.pass_time(2000)
    bench.engines["b"] = ReplicaState.READY
    bench.steps(4)
    assert not bench.memory.nodes["n9"].provider_node_id
    bench.steps(4)
    assert bench.move("m1").state is MoveState.STOPPED
    assert [action.node.id for action in launches(bench.step())] == ["n9"] or bench.node("n9").state is NodeState.LAUNCHING
    deadline = bench.replica("e").deadline
    assert deadline is not None
    assert deadline > bench.now + timedelta(seconds=1000), "its time runs from its turn"


def test_a_failed_move_cancels_the_later_waves_of_its_deployment() -> None:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME), replica("c", HOME)])
    moves = [move("m1", "a", "b", wave=1), move("m2", "c", "e", wave=2)]
    started(bench, plan(moves=moves, new_replicas=[new_replica("b", "n2"), new_replica("e", "n2")]))
    bench.engines["b"] = ReplicaState.FAILED
    bench.steps(2)
    assert (bench.move("m1").state, bench.move("m2").state) == (MoveState.FAILED, MoveState.CANCELLED)
    assert bench.replica("c").state is ReplicaState.READY
    assert bench.replica("e").state is ReplicaState.STOPPED


@pytest.mark.parametrize("value", [Schedulability.CORDONED, Schedulability.DRAINING])
def test_a_wave_is_not_begun_into_a_cluster_that_was_closed_meanwhile(value: Schedulability) -> None:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME)], [cluster(schedulability=value)])
    bench.accept(MIGRATE)
    bench.step()
    assert bench.move("m1").state is MoveState.CANCELLED
    assert value.value in bench.move("m1").error
    assert bench.replica("a").state is ReplicaState.READY


def test_a_wave_is_not_begun_into_a_suspect_cluster() -> None:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME)], [cluster(state=ClusterState.SUSPECT)])
    bench.silence()
    bench.accept(MIGRATE)
    bench.step()
    assert bench.move("m1").state is MoveState.CANCELLED


def test_two_replicas_never_hold_one_slot_the_second_waits_for_the_first() -> None:
    bench = Bench.of([HOME], [replica("a", HOME)])
    moves = [move("m1", old="a", wave=1), move("m2", new="b", wave=2)]
    bench.accept(plan(moves=moves, new_replicas=[new_replica("b", "n1")]))
    bench.steps(3)
    assert bench.replica("a").state in (ReplicaState.DRAINING, ReplicaState.STOPPING)
    assert bench.replica("b").state is ReplicaState.REQUESTED
    bench.steps(5)
    assert bench.replica("a").state is ReplicaState.STOPPED
    assert bench.replica("b").state is ReplicaState.STARTING


def test_an_engine_that_nobody_owns_keeps_its_slot_while_the_agent_lists_it() -> None:
    bench = Bench.of([HOME])
    bench.engines["ghost"], bench.where["ghost"] = ReplicaState.READY, "n1"
    bench.accept(plan(moves=[move("m1", new="b")], new_replicas=[new_replica("b", "n1")]))
    bench.step()
    assert bench.replica("b").state is ReplicaState.REQUESTED
    bench.obey()
    bench.step()
    assert bench.replica("b").state is ReplicaState.STARTING


def test_a_newer_plan_cancels_what_has_not_begun_and_lets_the_rest_run_out() -> None:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME), replica("c", HOME)])
    moves = [move("m1", "a", "b", wave=1), move("m2", "c", "e", wave=2)]
    started(bench, plan(moves=moves, new_nodes=[new_node("n9")], new_replicas=[new_replica("b", "n2"), new_replica("e", "n9")]))
    bench.accept(plan("p2"))
    assert bench.plan("p1").state is PlanState.SUPERSEDED
    assert (bench.move("m1").state.value, bench.move("m2").state) == ("starting", MoveState.CANCELLED)
    assert bench.replica("e").state is ReplicaState.STOPPED
    bench.ready("b")
    bench.steps(9)
    assert bench.move("m1").state is MoveState.STOPPED
    assert bench.node("n9").state is NodeState.TERMINATED, "never launched, so nothing is left behind"
    assert bench.plan("p2").state is PlanState.APPLIED


def test_a_plan_that_a_person_asked_for_is_not_ended_before_it_was_begun() -> None:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME)])
    asked = replace(MIGRATE, state=PlanState.APPLYING, epoch=0)
    bench.memory.all_plans[asked.id] = asked
    bench.step()
    assert bench.plan() == asked
    bench.accept(asked)
    assert bench.plan().epoch == 1
    assert bench.move("m1").state is MoveState.REQUESTED


def test_a_node_of_a_failed_start_is_released_before_the_plan_ends() -> None:
    bench = Bench.of()
    started(bench, START)
    bench.engines["b"] = ReplicaState.FAILED
    bench.steps(3)
    assert bench.node("n9").state is NodeState.TERMINATING
    assert bench.plan().state is PlanState.FAILED


def test_the_old_replica_serves_on_until_the_edge_has_seen_the_new_one_answer() -> None:
    bench = shifted()
    bench.healthy = frozenset({bench.replica("a").endpoint})
    bench.pass_time(10)
    bench.step()
    assert (bench.move("m1").state, bench.replica("a").state) == (MoveState.SHIFTING, ReplicaState.READY)
    bench.healthy = frozenset({bench.replica("a").endpoint, bench.replica("b").endpoint})
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING


def test_a_new_replica_that_the_edge_never_reaches_does_not_replace_the_old_one() -> None:
    bench = shifted()
    bench.healthy = frozenset({bench.replica("a").endpoint})
    bench.pass_time(61)
    bench.step()
    assert bench.move("m1").state is MoveState.FAILED
    assert "the edge does not reach" in bench.move("m1").error
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.READY, 100)
