"""The fleet as a decision should see it while moves are under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scheduler.domain.lifecycle import MOVE_ENDED, REPLICA_ENDED, MoveState, ReplicaState
from scheduler.domain.plan import Move
from scheduler.domain.snapshot import Snapshot

LEAVING = ReplicaState.DRAINING


def decision_view(snapshot: Snapshot, moves: Sequence[Move]) -> Snapshot:
    """A snapshot in which begun moves count as done and moves not yet begun as never planned.

    The old replica of a begun move counts as leaving; the new replica of a move that has not begun does not exist, for
    accepting another plan cancels that move.
    """
    open_moves = [move for move in moves if move.state not in MOVE_ENDED]
    leaving = {move.old_replica for move in open_moves if move.state is not MoveState.REQUESTED and move.old_replica}
    unborn = {move.new_replica for move in open_moves if move.state is MoveState.REQUESTED and move.new_replica}
    replicas = tuple(
        replace(replica, state=LEAVING) if replica.id in leaving and replica.state not in REPLICA_ENDED else replica
        for replica in snapshot.replicas
        if replica.id not in unborn
    )
    return replace(snapshot, replicas=replicas)
