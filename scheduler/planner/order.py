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

    Wave 0 holds whatever runs against a deadline. From wave 1 on come starts, and migrations in batches no larger than the
    deployment's surge. Where there is no room to make before break, batches of stops and of the starts that wait for them
    alternate after that, each no larger than what the deployment may lack (at least one). Other stops come last.
    """
    arriving: dict[str, list[NewReplica]] = defaultdict(list)
    for new in assignment.new_replicas:
        arriving[new.deployment].append(new)
    moves: list[Move] = []
    for leaver in change.leaving:
        waiting = arriving[leaver.deployment]
        # One that waits for a leaver cannot be ready before it goes: as partners two such replicas would wait for each other.
        partner = next((new for new in waiting if new.id not in assignment.after), None)
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
    waves: dict[str, int] = {}
    for move in sorted(moves, key=lambda m: (m.deployment, m.old_replica)):
        if move.urgent_until is not None:
            waves[_key(move)] = URGENT_WAVE
        elif move.kind is MoveKind.MIGRATE:
            budget = budgets.get(move.deployment)
            batch = max(1, budget.max_surge + budget.max_unavailable) if budget else 1
            waves[_key(move)] = FIRST_WAVE + migrated[move.deployment] // batch
            migrated[move.deployment] += 1
        elif move.kind is MoveKind.START and move.new_replica not in assignment.after:
            waves[_key(move)] = FIRST_WAVE
    waves |= _break_before_make(snapshot, moves, assignment, waves)
    last: dict[str, int] = defaultdict(lambda: FIRST_WAVE)
    for move in moves:
        last[move.deployment] = max(last[move.deployment], waves.get(_key(move), FIRST_WAVE))
    return [replace(move, wave=waves.get(_key(move), last[move.deployment] + 1)) for move in moves]


def _break_before_make(snapshot: Snapshot, moves: list[Move], assignment: Assignment, known: dict[str, int]) -> dict[str, int]:
    """Waves of the starts that need room, and of the stops that make it: stop a few, start those that waited, and so on."""
    budgets = {deployment.id: deployment.disruption for deployment in snapshot.deployments}
    leaving = {move.old_replica: move for move in moves if move.old_replica}
    waves: dict[str, int] = {}
    wave = max(known.values(), default=URGENT_WAVE) + 1
    lacking: dict[str, int] = defaultdict(int)
    for start in sorted((m for m in moves if m.new_replica in assignment.after), key=lambda m: (m.deployment, m.new_replica)):
        stops = [leaving[name] for name in assignment.after[start.new_replica] if name in leaving]
        fresh = [stop for stop in stops if _key(stop) not in known and _key(stop) not in waves]
        allowed = {stop.deployment: max(1, budgets[stop.deployment].max_unavailable if stop.deployment in budgets else 1) for stop in fresh}
        adding = {name: sum(stop.deployment == name for stop in fresh) for name in allowed}
        if any(lacking[name] and lacking[name] + adding[name] > allowed[name] for name in allowed):
            wave += 2
            lacking.clear()
        for stop in fresh:
            waves[_key(stop)] = wave
            lacking[stop.deployment] += 1
        waves[_key(start)] = wave + 1
    return waves


def _key(move: Move) -> str:
    return f"{move.old_replica}>{move.new_replica}"
