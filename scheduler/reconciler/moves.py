"""Active transitions of moves: make before break. The old replica serves until the new one has answered a prompt."""

from __future__ import annotations

from datetime import timedelta

from scheduler.domain.fleet import Replica
from scheduler.domain.lifecycle import (
    MOVE_ENDED,
    NODE_USABLE,
    REPLICA_COMING,
    REPLICA_ENDED,
    ClusterState,
    MoveState,
    PlanState,
    ReplicaState,
    Schedulability,
)
from scheduler.domain.plan import Move, MoveKind
from scheduler.reconciler.draft import Draft

FREE_WAVE = 1
"""Waves up to this one begin at once: wave 0 runs against a deadline and wave 1 need not wait for it."""

WAITING = (MoveState.ACQUIRING, MoveState.STARTING, MoveState.WARMING)


def advance_moves(draft: Draft) -> None:
    """Take every open move one step further."""
    draft.each(sorted(draft.moves.values(), key=lambda m: (m.wave, m.id)), _advance, lambda move: move.id)
    _finish_plan(draft)


def _advance(draft: Draft, move: Move) -> None:
    if move.state is MoveState.REQUESTED:
        _begin(draft, move)
    elif move.state in WAITING:
        _await_new(draft, move)
    elif move.state is MoveState.READY:
        _shift(draft, move)
    elif move.state is MoveState.SHIFTING:
        _shifting(draft, move)
    elif move.state is MoveState.DRAINING:
        _draining(draft, move)


def _begin(draft: Draft, move: Move) -> None:
    siblings = [m for m in draft.moves.values() if m.plan == move.plan and m.deployment == move.deployment]
    if any(m.state is MoveState.FAILED and m.wave < move.wave for m in siblings):
        _cancel(draft, move, "an earlier move of this deployment failed")
        return
    earlier = [m for m in draft.moves.values() if m.plan == move.plan and m.wave < move.wave and m.state not in MOVE_ENDED]
    if move.wave > FREE_WAVE and earlier:
        return
    closed = _closed(draft, move)
    if closed:
        _cancel(draft, move, closed)
    elif move.kind is MoveKind.STOP:
        old = draft.replicas.get(move.old_replica)
        if old is None or old.state in REPLICA_ENDED:
            draft.move(move, MoveState.CANCELLED, "already gone", ended_at=draft.now)
        else:
            # It shifts at once: from here on the edge needs its time to take the table, as with a migration.
            moved = draft.move(move, MoveState.DRAINING, started_at=draft.now, shifted_at=draft.now, in_flight_at_shift=old.in_flight)
            _drain_replica(draft, old, moved)
    else:
        settings, new = draft.sight.settings, draft.replicas[move.new_replica]
        if new.state is ReplicaState.REQUESTED:
            # Its time runs from its turn, not from the plan's acceptance: a late wave has as long as an early one.
            until = draft.now + timedelta(seconds=settings.launch_timeout_s + settings.join_timeout_s)
            draft.replica(new, new.state, deadline=until)
        draft.move(move, MoveState.ACQUIRING, started_at=draft.now)


def _closed(draft: Draft, move: Move) -> str:
    """Why the plan no longer holds for this move, "" if it does: the revalidation before each wave."""
    new = draft.replicas.get(move.new_replica)
    if new is None:
        return "" if move.kind is MoveKind.STOP else "its new replica is gone"
    if new.state in REPLICA_ENDED:
        return f"its new replica is {new.state.value}: {new.reason}"
    cluster = draft.clusters[new.cluster]
    if cluster.schedulability is not Schedulability.OPEN:
        return f"cluster {cluster.id} is now {cluster.schedulability.value}"
    if cluster.state not in (ClusterState.READY, ClusterState.JOINING):
        return f"cluster {cluster.id} is now {cluster.state.value}"
    if move.deployment not in draft.sight.deployments:
        return f"deployment {move.deployment} was deleted"
    return ""


def _cancel(draft: Draft, move: Move, why: str) -> None:
    draft.move(move, MoveState.CANCELLED, why, ended_at=draft.now)
    abandon_new(draft, move, why)


def abandon_new(draft: Draft, move: Move, why: str) -> None:
    """Give up the replica that was to arrive; what runs keeps running."""
    new = draft.replicas.get(move.new_replica)
    if new is None or new.state in REPLICA_ENDED:
        return
    if new.state is ReplicaState.REQUESTED:
        draft.replica(new, ReplicaState.STOPPED, why, ended_at=draft.now)
    elif new.state in (ReplicaState.STARTING, ReplicaState.WARMING):
        draft.replica(new, ReplicaState.STOPPING, why, deadline=draft.now + timedelta(seconds=draft.sight.settings.stop_timeout_s))
    elif new.state is ReplicaState.READY:
        _drain_replica(draft, new, None)


def _await_new(draft: Draft, move: Move) -> None:
    """Mirror the new replica until it answers, fails or runs out of time."""
    new = draft.replicas.get(move.new_replica)
    if new is None or new.state in REPLICA_ENDED:
        why = new.reason if new is not None else "its new replica is gone"
        draft.move(move, MoveState.FAILED, why, ended_at=draft.now)
        return
    if new.state in REPLICA_COMING and new.deadline is not None and draft.now > new.deadline:
        draft.move(move, MoveState.FAILED, f"not ready in time (still {new.state.value})", ended_at=draft.now)
        abandon_new(draft, move, "not ready in time")
        return
    match new.state:
        case ReplicaState.STARTING if move.state is not MoveState.STARTING:
            draft.move(move, MoveState.STARTING)
        case ReplicaState.WARMING if move.state is MoveState.STARTING:
            draft.move(move, MoveState.WARMING)
        case ReplicaState.READY if move.state is MoveState.ACQUIRING:
            draft.move(move, MoveState.STARTING)
        case ReplicaState.READY:
            _ready(draft, draft.move(move, MoveState.READY), new)
        case _:
            pass


def fail_bereft(draft: Draft) -> None:
    """Moves whose new replica has just ended fail with its reason; once the row is stored as ended, nobody could tell it."""
    for move in list(draft.moves.values()):
        new = draft.replicas.get(move.new_replica)
        if move.state in WAITING and new is not None and new.state in REPLICA_ENDED:
            draft.move(move, MoveState.FAILED, new.reason, ended_at=draft.now)


def _ready(draft: Draft, move: Move, new: Replica) -> None:
    old = draft.replicas.get(move.old_replica)
    if move.kind is MoveKind.START or old is None or old.state in REPLICA_ENDED:
        draft.replica(new, new.state, weight=100)
        draft.move(move, MoveState.STOPPED, shifted_at=draft.now, ended_at=draft.now)
    else:
        _shift(draft, move)


def _shift(draft: Draft, move: Move) -> None:
    """Old and new share traffic for one step; against a deadline all of it goes at once in the next step."""
    new, old = draft.replicas.get(move.new_replica), draft.replicas.get(move.old_replica)
    if new is None:
        draft.move(move, MoveState.FAILED, "its new replica is gone", ended_at=draft.now)
        return
    if old is None or old.state in REPLICA_ENDED:
        _ready(draft, move, new)
        return
    draft.replica(new, new.state, weight=100)
    draft.move(move, MoveState.SHIFTING, shifted_at=draft.now, in_flight_at_shift=old.in_flight)


def _shifting(draft: Draft, move: Move) -> None:
    new, old = draft.replicas.get(move.new_replica), draft.replicas.get(move.old_replica)
    if new is None or new.state is not ReplicaState.READY:
        # The way back: the old replica never stopped serving, so the move simply fails.
        why = f"the new replica is {new.state.value}: {new.reason}" if new is not None else "its new replica is gone"
        draft.move(move, MoveState.FAILED, why, ended_at=draft.now)
        return
    settings, healthy = draft.sight.settings, draft.sight.healthy
    shared_s = (draft.now - move.shifted_at).total_seconds() if move.shifted_at is not None else settings.edge_wait_s
    if shared_s < settings.shift_step_s:
        return
    if old is not None and old.state is ReplicaState.READY and healthy is not None and new.endpoint not in healthy:
        # It answers its agent, but the edge has not seen it answer yet: nobody would take the old one's requests.
        if shared_s >= settings.edge_wait_s:
            why = f"the edge does not reach {new.endpoint}; the old replica serves on"
            draft.move(move, MoveState.FAILED, why, ended_at=draft.now)
            abandon_new(draft, move, why)
        return
    # Shifted is what it is from now on: the edge's time to take the table counts from here, however long the two shared traffic.
    moved = draft.move(move, MoveState.DRAINING, shifted_at=draft.now)
    if old is not None and old.state not in REPLICA_ENDED:
        _drain_replica(draft, old, moved)


def _drain_replica(draft: Draft, old: Replica, move: Move | None) -> None:
    """No new requests from here on. A replica that never served is stopped outright."""
    settings = draft.sight.settings
    if old.state in REPLICA_COMING:
        if old.state is ReplicaState.REQUESTED:
            draft.replica(old, ReplicaState.STOPPED, "no longer wanted", ended_at=draft.now)
        else:
            draft.replica(old, ReplicaState.STOPPING, "no longer wanted", deadline=draft.now + timedelta(seconds=settings.stop_timeout_s))
    elif old.state in (ReplicaState.READY, ReplicaState.SUSPECT):
        deadline = draft.now + timedelta(seconds=settings.drain_timeout_s)
        if move is not None and move.urgent_until is not None:
            deadline = min(deadline, move.urgent_until)
        draft.replica(old, ReplicaState.DRAINING, "drains", weight=0, deadline=deadline)


def _draining(draft: Draft, move: Move) -> None:
    old = draft.replicas.get(move.old_replica)
    if old is None or old.state in REPLICA_ENDED:
        draft.move(move, MoveState.STOPPED, ended_at=draft.now)


def _finish_plan(draft: Draft) -> None:
    plan = draft.applying
    if plan is None:
        return
    mine = [m for m in draft.moves.values() if m.plan == plan.id]
    if any(m.state not in MOVE_ENDED for m in mine):
        return
    if any(_empties(draft, name) for name in (*plan.releases, *(node.id for node in plan.new_nodes))):
        return
    failed = [m for m in mine if m.state is MoveState.FAILED]
    if failed:
        draft.end_plan(PlanState.FAILED, f"plan {plan.id}: {len(failed)} of {len(mine)} moves failed, first: {failed[0].error}")
    else:
        draft.end_plan(PlanState.APPLIED, f"plan {plan.id} is applied: {len(mine)} moves")


def _empties(draft: Draft, name: str) -> bool:
    """True for a node that holds nothing, or only what leaves: the plan lasts until it is on its way out, so that none is left behind."""
    node = draft.nodes.get(name)
    leaving = (ReplicaState.DRAINING, ReplicaState.STOPPING)
    return node is not None and node.state in NODE_USABLE and all(replica.state in leaving for replica in draft.live_on(name))
