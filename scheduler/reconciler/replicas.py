"""Active transitions of replicas by time alone: who must leave in time, who has drained, who took too long."""

from __future__ import annotations

from datetime import datetime, timedelta

from scheduler.domain.fleet import Replica
from scheduler.domain.lifecycle import REPLICA_COMING, REPLICA_ENDED, MoveState, NodeState, ReplicaState
from scheduler.reconciler.draft import Draft


def advance_replicas(draft: Draft) -> None:
    """Evacuate, drain, expire."""
    for advance in (_evacuate, _drain, _expire):
        draft.each(draft.replicas.values(), advance, lambda replica: replica.id)


def doomed_at(draft: Draft, replica: Replica) -> datetime | None:
    """When the first of its nodes is reclaimed; None where none is under notice, or the notice names no time."""
    nodes = [draft.nodes[name] for name in replica.nodes if name in draft.nodes]
    return min((n.deadline for n in nodes if n.state is NodeState.INTERRUPTED and n.deadline is not None), default=None)


def _evacuate(draft: Draft, replica: Replica) -> None:
    """Shortly before its node is reclaimed a replica takes no more requests, replaced or not: what it has may still finish.

    Only while another replica of the deployment serves on a sound node; the last one serves to its end.
    """
    if replica.state not in (ReplicaState.READY, ReplicaState.SUSPECT):
        return
    deadline = doomed_at(draft, replica)
    if deadline is None or draft.now < deadline - timedelta(seconds=draft.sight.settings.evacuate_s):
        return
    others = (r for r in draft.replicas.values() if r.deployment == replica.deployment and r.id != replica.id)
    if any(r.state is ReplicaState.READY and r.weight > 0 and not _under_notice(draft, r) for r in others):
        draft.replica(replica, ReplicaState.DRAINING, "its node is about to be reclaimed", weight=0, deadline=deadline)
        draft.evacuated.add(replica.id)


def _under_notice(draft: Draft, replica: Replica) -> bool:
    return any(draft.nodes[name].state is NodeState.INTERRUPTED for name in replica.nodes if name in draft.nodes)


def _drain(draft: Draft, replica: Replica) -> None:
    """A draining replica stops when it has been empty since the edge took the table, or when its time is up."""
    if replica.state is not ReplicaState.DRAINING or replica.id in draft.evacuated:
        return
    settings = draft.sight.settings
    settled = (draft.now - _drains_since(draft, replica)).total_seconds() >= settings.settle_s
    deadlines = [at for at in (replica.deadline, doomed_at(draft, replica)) if at is not None]
    if (settled and replica.in_flight == 0) or (deadlines and draft.now >= min(deadlines)):
        why = "empty" if replica.in_flight == 0 else f"out of time with {replica.in_flight} requests"
        draft.replica(replica, ReplicaState.STOPPING, why, deadline=draft.now + timedelta(seconds=settings.stop_timeout_s))


def _drains_since(draft: Draft, replica: Replica) -> datetime:
    """When it began to drain: its move tells; without one the deadline does, which was set at that moment."""
    moves = [m for m in draft.moves.values() if m.old_replica == replica.id and m.state is MoveState.DRAINING]
    shifted = [m.shifted_at for m in moves if m.shifted_at is not None]
    if shifted:
        return max(shifted)
    settings = draft.sight.settings
    window = settings.evacuate_s if _under_notice(draft, replica) else settings.drain_timeout_s
    return replica.deadline - timedelta(seconds=window) if replica.deadline is not None else replica.requested_at


def _expire(draft: Draft, replica: Replica) -> None:
    """No waiting state lasts for ever. A replica that a move brings is watched by that move."""
    if replica.deadline is None or draft.now <= replica.deadline or replica.state in REPLICA_ENDED:
        return
    if replica.state is ReplicaState.STOPPING:
        # The slot stays taken for as long as the agent still lists the engine: see wishes.
        draft.replica(replica, ReplicaState.LOST, "its agent never told that it stopped", ended_at=draft.now)
    elif replica.state in REPLICA_COMING and draft.open_move_to(replica.id) is None:
        if replica.state is ReplicaState.REQUESTED:
            draft.replica(replica, ReplicaState.FAILED, "could not be started in time", ended_at=draft.now)
        else:
            until = draft.now + timedelta(seconds=draft.sight.settings.stop_timeout_s)
            draft.replica(replica, ReplicaState.STOPPING, "not ready in time", weight=0, deadline=until)
