"""In which order the moves happen: deadlines first, make before break, within each deployment's disruption budget."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from scheduler.domain.fleet import Replica
from scheduler.domain.plan import Move, MoveKind, NewReplica
from scheduler.domain.snapshot import Snapshot
from scheduler.planner.assign import Assignment
from scheduler.planner.diff import Difference

URGENT_WAVE = 0
FIRST_WAVE = 1


def order(snapshot: Snapshot, change: Difference, assignment: Assignment, plan_id: str) -> tuple[Move, ...]:
    """Pair leavers with arrivals of the same deployment into migrations, and number the waves.

    Wave 0 holds whatever runs against a deadline. From wave 1 on come starts, then migrations in batches no larger than
    the deployment's surge, then stops.
    """
    arriving: dict[str, list[NewReplica]] = defaultdict(list)
    for new in assignment.new_replicas:
        arriving[new.deployment].append(new)
    moves: list[Move] = []
    for leaver in change.leaving:
        waiting = arriving[leaver.deployment]
        # A replica that must wait for this very leaver cannot be its make-before-break partner.
        partner = next((new for new in waiting if leaver.id not in assignment.after.get(new.id, ())), None)
        if partner is not None:
            waiting.remove(partner)
        moves.append(_move(snapshot, plan_id, leaver, partner))
    for waiting in arriving.values():
        moves += [_move(snapshot, plan_id, None, new) for new in waiting]
    numbered = _waves(snapshot, moves, assignment)
    ordered = sorted(numbered, key=lambda move: (move.wave, move.urgent_until is None, move.deployment, move.old_replica, move.new_replica))
    return tuple(replace(move, id=f"{plan_id}-m{index}") for index, move in enumerate(ordered, start=1))


def _move(snapshot: Snapshot, plan_id: str, old: Replica | None, new: NewReplica | None) -> Move:
    deployment = old.deployment if old is not None else new.deployment if new is not None else ""
    kind = MoveKind.MIGRATE if old is not None and new is not None else MoveKind.START if old is None else MoveKind.STOP
    return Move(
        id="",
        plan=plan_id,
        wave=FIRST_WAVE,
        kind=kind,
        deployment=deployment,
        old_replica=old.id if old is not None else "",
        new_replica=new.id if new is not None else "",
        reason=_reason(snapshot, old, new),
        urgent_until=_deadline(snapshot, old),
    )


def _deadline(snapshot: Snapshot, old: Replica | None) -> datetime | None:
    if old is None:
        return None
    times = [node.deadline for node in snapshot.nodes if node.id in old.nodes and node.interrupted and node.deadline is not None]
    return min(times, default=None)


def _reason(snapshot: Snapshot, old: Replica | None, new: NewReplica | None) -> str:
    nodes = {node.id: node for node in snapshot.nodes}
    if old is None:
        return "more capacity is wanted" if new is not None else ""
    troubled = [nodes[name] for name in old.nodes if name in nodes and nodes[name].interrupted]
    if troubled:
        return f"node {troubled[0].id} is being reclaimed: {troubled[0].reason or 'interruption notice'}"
    if any(name not in nodes for name in old.nodes):
        return "its node is gone"
    generation = {deployment.id: deployment.generation for deployment in snapshot.deployments}
    if old.deployment not in generation:
        return "its deployment was deleted"
    if old.generation != generation[old.deployment]:
        return f"rollout of generation {generation[old.deployment]}"
    cluster = next((cluster for cluster in snapshot.clusters if cluster.id == old.cluster), None)
    if cluster is not None and cluster.schedulability.value == "draining":
        return f"cluster {cluster.id} is drained"
    return "cheaper or better placed elsewhere" if new is not None else "less capacity is wanted"


def _waves(snapshot: Snapshot, moves: list[Move], assignment: Assignment) -> list[Move]:
    budgets = {deployment.id: deployment.disruption for deployment in snapshot.deployments}
    migrated: dict[str, int] = defaultdict(int)
    numbered: list[Move] = []
    for move in sorted(moves, key=lambda m: (m.kind is not MoveKind.START, m.deployment, m.old_replica)):
        wave = FIRST_WAVE
        if move.urgent_until is not None:
            wave = URGENT_WAVE
        elif move.kind is MoveKind.MIGRATE:
            budget = budgets.get(move.deployment)
            batch = max(1, budget.max_surge + budget.max_unavailable) if budget else 1
            wave = FIRST_WAVE + migrated[move.deployment] // batch
            migrated[move.deployment] += 1
        numbered.append(replace(move, wave=wave))
    last: dict[str, int] = defaultdict(lambda: FIRST_WAVE)
    for move in numbered:
        last[move.deployment] = max(last[move.deployment], move.wave)
    waited_for = {name for names in assignment.after.values() for name in names}
    final = []
    for move in numbered:
        if move.kind is MoveKind.STOP and move.urgent_until is None and move.old_replica not in waited_for:
            final.append(replace(move, wave=last[move.deployment] + 1))
        elif move.new_replica in assignment.after:
            final.append(replace(move, wave=last[move.deployment] + 2))
        else:
            final.append(move)
    return final
