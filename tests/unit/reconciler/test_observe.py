"""What the world does to the rows: notices, silence, losses, restarts; and that one bad row stops nothing else."""

from __future__ import annotations

from datetime import timedelta

from scheduler.domain.lifecycle import ClusterState, MoveState, NodeState, ReplicaState
from tests.builders import NOW, move, node, plan, replica
from tests.unit.reconciler.bench import CLUSTER, OFFER, Bench, new_node, new_replica, started

HOME, SPARE = node("n1", OFFER, CLUSTER), node("n2", OFFER, CLUSTER)


def serving() -> Bench:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME), replica("c", SPARE)])
    bench.steps(1)
    return bench


def test_a_notice_marks_its_node_once_with_its_deadline() -> None:
    bench = serving()
    bench.notice("n1", 120)
    bench.step()
    assert (bench.node("n1").state, bench.node("n1").interrupted) == (NodeState.INTERRUPTED, True)
    assert bench.node("n1").deadline == bench.now + timedelta(seconds=120)
    events = len(bench.memory.log)
    bench.step()
    assert len(bench.memory.log) == events, "handled notices are not told twice"


def test_a_deadline_that_is_brought_forward_counts() -> None:
    bench = serving()
    bench.notice("n1", 120)
    bench.step()
    bench.notice("n1", 30)
    bench.step()
    assert bench.node("n1").deadline == bench.now + timedelta(seconds=30)


def test_a_notice_for_a_machine_whose_launch_is_not_answered_yet_waits_for_its_row() -> None:
    bench = Bench.of()
    bench.accept(plan(moves=[move("m1", new="b")], new_nodes=[new_node("n9")], new_replicas=[new_replica("b", "n9")]))
    first = bench.step()
    bench.notice("n9", 120)
    bench.step()
    bench.answer_all(first)
    bench.step()
    assert bench.node("n9").interrupted
    assert bench.replica("b").reason == "its node is being reclaimed before it could start"


def test_a_replica_that_could_not_start_before_its_node_is_reclaimed_is_given_up_at_once() -> None:
    bench = Bench.of()
    bench.accept(plan(moves=[move("m1", new="b")], new_nodes=[new_node("n9")], new_replicas=[new_replica("b", "n9")]))
    bench.answer_all(bench.step())
    bench.notice("n9", None)
    bench.step()
    assert bench.replica("b").state is ReplicaState.LOST
    assert bench.move("m1").state is MoveState.FAILED
    assert bench.node("n9").state is NodeState.TERMINATING


def test_the_deadline_of_a_notice_bounds_the_drain() -> None:
    bench = Bench.of([HOME, SPARE], [replica("a", HOME)])
    urgent = move("m1", "a", "b", wave=0, urgent_until=NOW + timedelta(seconds=40))
    bench.notice("n1", 40)
    bench.step()
    started(bench, plan(moves=[urgent], new_replicas=[new_replica("b", "n2")]))
    bench.load["a"] = 5
    bench.ready("b")
    bench.steps(3)
    assert bench.replica("a").state is ReplicaState.DRAINING
    bench.now = NOW + timedelta(seconds=39)
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING
    bench.pass_time(1)
    bench.step()
    assert bench.replica("a").state is ReplicaState.STOPPING


def test_a_notice_during_a_drain_shortens_it() -> None:
    bench = serving()
    bench.accept(plan(moves=[move("m1", old="a")]))
    bench.load["a"] = 5
    bench.step()
    bench.notice("n1", 30)
    bench.pass_time(31)
    bench.step()
    assert bench.replica("a").state is ReplicaState.STOPPING


def test_shortly_before_its_node_is_reclaimed_a_replica_leaves_its_requests_to_the_others() -> None:
    bench = serving()
    bench.notice("n1", 60)
    bench.step()
    bench.pass_time(39)
    bench.step()
    assert bench.replica("a").state is ReplicaState.READY
    bench.pass_time(1)
    bench.step()
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.DRAINING, 0)


def test_even_a_notice_too_short_for_that_leaves_the_edge_one_step() -> None:
    bench = serving()
    bench.notice("n1", 5)
    bench.step()
    assert bench.replica("a").state is ReplicaState.DRAINING


def test_the_last_replica_of_a_deployment_serves_to_its_end() -> None:
    bench = Bench.of([HOME], [replica("a", HOME)])
    bench.notice("n1", 10)
    bench.steps(9)
    assert bench.replica("a").state is ReplicaState.READY


def test_a_reclaimed_node_is_lost_with_or_without_a_stated_deadline() -> None:
    for seconds in (10, None):
        bench = Bench.of([HOME], [replica("a", HOME)])
        bench.notice("n1", seconds)
        bench.step()
        bench.joined.discard("n1")
        bench.pass_time(11)
        bench.step()
        assert bench.replica("a").state is ReplicaState.LOST
        assert bench.node("n1").state is NodeState.TERMINATING


def test_a_silent_cluster_is_suspect_and_keeps_its_replicas() -> None:
    bench = serving()
    bench.silence()
    bench.step()
    assert bench.memory.clusters[CLUSTER].state is ClusterState.SUSPECT
    assert (bench.replica("a").state, bench.replica("a").weight) == (ReplicaState.SUSPECT, 100)
    bench.pass_time(200)
    bench.step()
    assert bench.wanted() == {"a", "c"}
    assert bench.node("n1").state is NodeState.READY


def test_a_cluster_that_is_heard_again_has_lost_nothing() -> None:
    bench = serving()
    bench.silence()
    bench.step()
    bench.heard()
    bench.step()
    assert bench.memory.clusters[CLUSTER].state is ClusterState.READY
    assert bench.replica("a").state is ReplicaState.READY


def test_a_replica_that_failed_out_of_sight_is_lost_when_its_cluster_is_heard_again() -> None:
    bench = serving()
    bench.silence()
    bench.step()
    bench.heard()
    bench.engines["a"] = ReplicaState.FAILED
    result = bench.step()
    assert not result.refused
    assert bench.replica("a").state is ReplicaState.LOST


def test_a_silent_cluster_whose_endpoints_are_dead_too_is_lost() -> None:
    bench = serving()
    bench.healthy = frozenset({"somewhere else"})
    bench.silence()
    bench.step()
    assert bench.memory.clusters[CLUSTER].state is ClusterState.LOST
    assert bench.replica("a").state is ReplicaState.LOST
    assert bench.node("n1").state is NodeState.TERMINATING


def test_a_silent_cluster_whose_endpoints_answer_is_lost_only_after_the_stated_time() -> None:
    bench = serving()
    bench.healthy = frozenset({bench.replica("a").endpoint})
    bench.silence()
    bench.step()
    bench.pass_time(290)
    bench.step()
    assert bench.memory.clusters[CLUSTER].state is ClusterState.SUSPECT
    bench.pass_time(20)
    bench.step()
    assert bench.memory.clusters[CLUSTER].state is ClusterState.LOST


def test_an_engine_that_restarts_is_out_of_service_until_it_answers_and_has_a_deadline() -> None:
    for seen in (ReplicaState.STARTING, ReplicaState.WARMING):
        bench = serving()
        bench.engines["a"] = seen
        bench.step()
        assert bench.replica("a").state is ReplicaState.STARTING
        assert bench.replica("a").deadline is not None
        bench.ready("a")
        bench.step()
        assert (bench.replica("a").state, bench.replica("a").deadline) == (ReplicaState.READY, None)


def test_an_engine_that_never_comes_back_is_stopped_although_no_move_watches_it() -> None:
    bench = serving()
    bench.engines["a"] = ReplicaState.STARTING
    bench.step()
    bench.pass_time(301)
    bench.step()
    assert bench.replica("a").state is ReplicaState.STOPPING
    bench.steps(2)
    assert bench.replica("a").state is ReplicaState.STOPPED


def test_a_stop_that_the_agent_never_confirms_does_not_hold_the_plan_up_for_ever() -> None:
    bench = serving()
    bench.accept(plan(moves=[move("m1", old="a")]))
    bench.complete = False
    bench.step()
    bench.pass_time(10)
    bench.step()
    assert bench.replica("a").state is ReplicaState.STOPPING
    bench.pass_time(61)
    bench.step()
    bench.step()
    assert bench.replica("a").state is ReplicaState.LOST
    assert bench.move("m1").state is MoveState.STOPPED


def test_a_new_epoch_rewrites_every_desired_state_with_a_newer_version() -> None:
    bench = serving()
    before = bench.memory.wishes[CLUSTER]
    bench.epoch = bench.memory.epoch = 7
    bench.step()
    after = bench.memory.wishes[CLUSTER]
    assert (after.epoch, after.replicas) == (7, before.replicas)
    assert after.is_newer_than(before)


def test_a_change_of_settings_does_not_restart_a_replica_that_serves() -> None:
    bench = serving()
    before = bench.memory.wishes[CLUSTER].replicas
    bench.shapes = {}
    bench.deployments = {}
    bench.step()
    assert bench.memory.wishes[CLUSTER].replicas == before


def test_the_same_sight_twice_changes_nothing_the_second_time() -> None:
    bench = serving()
    bench.accept(plan(moves=[move("m1", "a", "b")], new_nodes=[new_node("n9")], new_replicas=[new_replica("b", "n9")]))
    for _ in range(6):
        bench.answer_all(bench.step())
        again = bench.step()
        for _ in range(3):
            again = bench.step()
        assert again.changes.empty
        bench.joined |= {"n9"}
        bench.obey()
        bench.ready(*bench.engines)
        bench.pass_time(2)
