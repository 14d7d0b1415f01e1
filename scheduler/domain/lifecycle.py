"""States and the one transition table of each entity. An edge that is not written here does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from scheduler.domain.errors import IllegalTransitionError


class Schedulability(StrEnum):
    """What people want of a cluster."""

    OPEN = "open"
    CORDONED = "cordoned"
    DRAINING = "draining"


class ClusterState(StrEnum):
    JOINING = "joining"
    READY = "ready"
    SUSPECT = "suspect"
    LOST = "lost"


class NodeState(StrEnum):
    REQUESTED = "requested"
    LAUNCHING = "launching"
    JOINING = "joining"
    READY = "ready"
    INTERRUPTED = "interrupted"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    LOST = "lost"
    FAILED = "failed"


class ReplicaState(StrEnum):
    REQUESTED = "requested"
    STARTING = "starting"
    WARMING = "warming"
    READY = "ready"
    SUSPECT = "suspect"
    DRAINING = "draining"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"


class MoveState(StrEnum):
    REQUESTED = "requested"
    ACQUIRING = "acquiring"
    STARTING = "starting"
    WARMING = "warming"
    READY = "ready"
    SHIFTING = "shifting"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PlanState(StrEnum):
    PROPOSED = "proposed"
    APPLYING = "applying"
    APPLIED = "applied"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    FAILED = "failed"


CLUSTER_TRANSITIONS: Mapping[ClusterState, frozenset[ClusterState]] = {
    # the agent's first report, or none before the joining deadline
    ClusterState.JOINING: frozenset({ClusterState.READY, ClusterState.LOST}),
    # the lease ran out while endpoints still answer, or together with them
    ClusterState.READY: frozenset({ClusterState.SUSPECT, ClusterState.LOST}),
    # the agent came back, or its endpoints died too / the stated time passed
    ClusterState.SUSPECT: frozenset({ClusterState.READY, ClusterState.LOST}),
    # a lost cluster may return: its agent reports again
    ClusterState.LOST: frozenset({ClusterState.READY}),
}

NODE_TRANSITIONS: Mapping[NodeState, frozenset[NodeState]] = {
    # the intent row exists; launched, refused for good, or no longer wanted
    NodeState.REQUESTED: frozenset({NodeState.LAUNCHING, NodeState.FAILED, NodeState.TERMINATED}),
    # the call is out: answered, found by tag, refused, or gave up and must be swept
    NodeState.LAUNCHING: frozenset({NodeState.JOINING, NodeState.FAILED, NodeState.TERMINATING}),
    # the machine exists: it joined its cluster, never joined, was reclaimed, or is no longer wanted
    NodeState.JOINING: frozenset({NodeState.READY, NodeState.INTERRUPTED, NodeState.TERMINATING, NodeState.LOST}),
    # in service: a notice came, we release it, or it vanished
    NodeState.READY: frozenset({NodeState.INTERRUPTED, NodeState.TERMINATING, NodeState.LOST}),
    # the provider takes it back: we release it early, or it goes
    NodeState.INTERRUPTED: frozenset({NodeState.TERMINATING, NodeState.LOST}),
    # the terminate call is out, repeated until the provider says it is gone
    NodeState.TERMINATING: frozenset({NodeState.TERMINATED}),
    NodeState.TERMINATED: frozenset(),
    # vanished: release it in any case, so that nobody pays for a ghost; or it came back into sight
    NodeState.LOST: frozenset({NodeState.TERMINATING, NodeState.READY}),
    NodeState.FAILED: frozenset(),
}

REPLICA_TRANSITIONS: Mapping[ReplicaState, frozenset[ReplicaState]] = {
    # wanted: its node is ready and the agent was told, or it is no longer wanted, or its node failed
    ReplicaState.REQUESTED: frozenset({ReplicaState.STARTING, ReplicaState.STOPPED, ReplicaState.FAILED, ReplicaState.LOST}),
    # the engine process runs: it listens, it failed, it is no longer wanted, its node vanished
    ReplicaState.STARTING: frozenset(
        {ReplicaState.WARMING, ReplicaState.READY, ReplicaState.FAILED, ReplicaState.STOPPING, ReplicaState.LOST}
    ),
    # the engine listens: it answered a prompt, or not
    ReplicaState.WARMING: frozenset(
        {ReplicaState.READY, ReplicaState.STARTING, ReplicaState.FAILED, ReplicaState.STOPPING, ReplicaState.LOST}
    ),
    # in service: taken out, out of sight, restarted inside its cluster, failed, or gone
    ReplicaState.READY: frozenset(
        {ReplicaState.DRAINING, ReplicaState.SUSPECT, ReplicaState.STARTING, ReplicaState.FAILED, ReplicaState.LOST}
    ),
    # its agent is silent but it may still serve: seen again, drained, or given up
    ReplicaState.SUSPECT: frozenset({ReplicaState.READY, ReplicaState.DRAINING, ReplicaState.LOST, ReplicaState.STARTING}),
    # no new requests: empty or out of time, back in service because its replacement failed, or gone
    ReplicaState.DRAINING: frozenset({ReplicaState.STOPPING, ReplicaState.READY, ReplicaState.LOST, ReplicaState.FAILED}),
    # the agent was told to stop it
    ReplicaState.STOPPING: frozenset({ReplicaState.STOPPED, ReplicaState.LOST}),
    ReplicaState.STOPPED: frozenset(),
    ReplicaState.FAILED: frozenset(),
    ReplicaState.LOST: frozenset(),
}

MOVE_TRANSITIONS: Mapping[MoveState, frozenset[MoveState]] = {
    MoveState.REQUESTED: frozenset({MoveState.ACQUIRING, MoveState.STARTING, MoveState.DRAINING, MoveState.CANCELLED, MoveState.FAILED}),
    # waiting for a node: it joined, or could not be had
    MoveState.ACQUIRING: frozenset({MoveState.STARTING, MoveState.FAILED, MoveState.CANCELLED}),
    # the new engine starts
    MoveState.STARTING: frozenset({MoveState.WARMING, MoveState.READY, MoveState.FAILED, MoveState.CANCELLED}),
    MoveState.WARMING: frozenset({MoveState.READY, MoveState.STARTING, MoveState.FAILED, MoveState.CANCELLED}),
    # the new replica answered: traffic shifts, or a start is complete
    MoveState.READY: frozenset({MoveState.SHIFTING, MoveState.STOPPED, MoveState.FAILED}),
    # edge weights move in steps; the way back puts the old one in service again
    MoveState.SHIFTING: frozenset({MoveState.DRAINING, MoveState.FAILED}),
    # the old replica empties, or its deadline passes
    MoveState.DRAINING: frozenset({MoveState.STOPPED, MoveState.FAILED}),
    MoveState.STOPPED: frozenset(),
    MoveState.FAILED: frozenset(),
    MoveState.CANCELLED: frozenset(),
}

PLAN_TRANSITIONS: Mapping[PlanState, frozenset[PlanState]] = {
    PlanState.PROPOSED: frozenset({PlanState.APPLYING, PlanState.REJECTED, PlanState.SUPERSEDED}),
    # every move ended, some failed, or a newer plan took over what was not begun
    PlanState.APPLYING: frozenset({PlanState.APPLIED, PlanState.FAILED, PlanState.SUPERSEDED}),
    PlanState.APPLIED: frozenset(),
    PlanState.REJECTED: frozenset(),
    PlanState.SUPERSEDED: frozenset(),
    PlanState.FAILED: frozenset(),
}


S = TypeVar("S", bound=StrEnum)


def check_transition(entity: str, key: str, table: Mapping[S, frozenset[S]], old: S, new: S) -> S:
    """Return ``new`` if the table has the edge; staying in a state is always allowed.

    Raises:
        IllegalTransitionError: the table has no such edge.
    """
    if old != new and new not in table[old]:
        raise IllegalTransitionError(entity, key, old.value, new.value)
    return new


NODE_ALIVE = frozenset(
    {
        NodeState.REQUESTED,
        NodeState.LAUNCHING,
        NodeState.JOINING,
        NodeState.READY,
        NodeState.INTERRUPTED,
        NodeState.LOST,
        NodeState.TERMINATING,
    }
)
NODE_ENDED = frozenset({NodeState.TERMINATED, NodeState.FAILED})
NODE_USABLE = frozenset({NodeState.REQUESTED, NodeState.LAUNCHING, NodeState.JOINING, NodeState.READY})
REPLICA_ENDED = frozenset({ReplicaState.STOPPED, ReplicaState.FAILED, ReplicaState.LOST})
REPLICA_COMING = frozenset({ReplicaState.REQUESTED, ReplicaState.STARTING, ReplicaState.WARMING})
MOVE_ENDED = frozenset({MoveState.STOPPED, MoveState.FAILED, MoveState.CANCELLED})
PLAN_OPEN = frozenset({PlanState.PROPOSED, PlanState.APPLYING})
