"""The working copy of one step: changes go through the transition tables and leave events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from scheduler.domain.agentstate import DesiredState
from scheduler.domain.errors import IllegalTransitionError
from scheduler.domain.events import Event, EventKind
from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.lifecycle import (
    CLUSTER_TRANSITIONS,
    MOVE_ENDED,
    MOVE_TRANSITIONS,
    NODE_TRANSITIONS,
    PLAN_TRANSITIONS,
    REPLICA_ENDED,
    REPLICA_TRANSITIONS,
    ClusterState,
    MoveState,
    NodeState,
    PlanState,
    ReplicaState,
    check_transition,
)
from scheduler.domain.plan import Move, Plan
from scheduler.domain.stores import ChangeSet
from scheduler.reconciler.actions import Action
from scheduler.reconciler.sight import Sight

Row = TypeVar("Row")


class Draft:
    """A mutable view of the fleet inside one step; ``changes`` tells what differs from the stored one."""

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self.now = sight.now
        self.clusters: dict[str, Cluster] = {c.id: c for c in sight.fleet.clusters}
        self.nodes: dict[str, Node] = {n.id: n for n in sight.fleet.nodes}
        self.replicas: dict[str, Replica] = {r.id: r for r in sight.fleet.replicas}
        self.moves: dict[str, Move] = {m.id: m for m in sight.fleet.moves}
        self.plan: Plan | None = sight.fleet.plan
        self.desired: dict[str, DesiredState] = {d.cluster: d for d in sight.fleet.desired}
        self.events: list[Event] = []
        self.handled: list[str] = []
        self.actions: list[Action] = []
        self.evacuated: set[str] = set()
        self.refused: list[IllegalTransitionError] = []
        self._before = (dict(self.clusters), dict(self.nodes), dict(self.replicas), dict(self.moves), self.plan, dict(self.desired))

    @property
    def applying(self) -> Plan | None:
        """The plan this loop has begun; one that a person asked for, and that was not accepted yet (epoch 0), is none."""
        plan = self.plan
        return plan if plan is not None and plan.state is PlanState.APPLYING and plan.epoch > 0 else None

    def each(self, rows: Iterable[Row], advance: Callable[[Draft, Row], None], key: Callable[[Row], str]) -> None:
        """Advance every row. One whose transition the tables do not have is left as it is and told in ``refused``: a bug about
        one row must not stop all others."""
        todo, skipped = list(rows), set[str]()
        while True:
            mark = self._mark()
            current = ""
            try:
                for row in todo:
                    current = key(row)
                    if current not in skipped:
                        advance(self, row)
            except IllegalTransitionError as error:
                self._restore(mark)
                skipped.add(current)
                self.refused.append(error)
            else:
                return

    def _mark(self) -> tuple[Any, ...]:
        rows = (self.clusters, self.nodes, self.replicas, self.moves, self.desired)
        return (*(dict(each) for each in rows), self.plan, list(self.events), list(self.handled), list(self.actions))

    def _restore(self, mark: tuple[Any, ...]) -> None:
        self.clusters, self.nodes, self.replicas, self.moves, self.desired = mark[:5]
        self.plan, self.events, self.handled, self.actions = mark[5:]

    def tell(self, event: EventKind, subject: str, message: str, **data: str | int | float | bool | None) -> None:
        self.events.append(Event(event, self.now, subject, message, data))

    def cluster(self, cluster: Cluster, state: ClusterState, message: str, kind: EventKind, **changes: Any) -> None:
        check_transition("cluster", cluster.id, CLUSTER_TRANSITIONS, cluster.state, state)
        self.clusters[cluster.id] = replace(cluster, state=state, **changes)
        self.tell(kind, cluster.id, message, state=state.value)

    def node(self, node: Node, state: NodeState, reason: str = "", **changes: Any) -> Node:
        check_transition("node", node.id, NODE_TRANSITIONS, node.state, state)
        changes |= {"reason": reason} if reason else {}
        changed = replace(node, state=state, **changes)
        self.nodes[node.id] = changed
        if state is not node.state:
            self.tell(EventKind.NODE_CHANGED, node.id, f"node {node.id} is {state.value}" + (f": {reason}" if reason else ""),
                      state=state.value, cluster=node.cluster, offer=node.offer_id)  # fmt: skip
        return changed

    def replica(self, replica: Replica, state: ReplicaState, reason: str = "", **changes: Any) -> Replica:
        check_transition("replica", replica.id, REPLICA_TRANSITIONS, replica.state, state)
        changes |= {"reason": reason} if reason else {}
        changed = replace(replica, state=state, **changes)
        self.replicas[replica.id] = changed
        if state is not replica.state:
            self.tell(EventKind.REPLICA_CHANGED, replica.id, f"replica {replica.id} is {state.value}" + (f": {reason}" if reason else ""),
                      state=state.value, deployment=replica.deployment, cluster=replica.cluster)  # fmt: skip
        return changed

    def move(self, move: Move, state: MoveState, error: str = "", **changes: Any) -> Move:
        check_transition("move", move.id, MOVE_TRANSITIONS, move.state, state)
        changes |= {"error": error} if error else {}
        changed = replace(move, state=state, **changes)
        self.moves[move.id] = changed
        if state is not move.state:
            self.tell(EventKind.MOVE_CHANGED, move.id, f"{move.kind.value} {move.id} is {state.value}" + (f": {error}" if error else ""),
                      state=state.value, kind=move.kind.value, plan=move.plan, deployment=move.deployment,
                      old=move.old_replica, new=move.new_replica)  # fmt: skip
        return changed

    def end_plan(self, state: PlanState, message: str) -> None:
        if self.plan is not None:
            check_transition("plan", self.plan.id, PLAN_TRANSITIONS, self.plan.state, state)
            self.plan = replace(self.plan, state=state, ended_at=self.now)
            self.tell(EventKind.PLAN_CHANGED, self.plan.id, message, state=state.value)

    def open_move_to(self, replica: str) -> Move | None:
        """The move under way, or still to begin, that brings this replica."""
        return next((m for m in self.moves.values() if m.new_replica == replica and m.state not in MOVE_ENDED), None)

    def due(self, replica: Replica) -> bool:
        """False while the replica belongs to a move whose turn has not come: surge is what the waves allow, not what fits."""
        move = self.open_move_to(replica.id)
        return move is None or move.state is not MoveState.REQUESTED

    def live_on(self, node: str) -> list[Replica]:
        """Replicas on the node that are not over."""
        return [r for r in self.replicas.values() if node in r.nodes and r.state not in REPLICA_ENDED]

    def changes(self) -> ChangeSet:
        """Rows that differ from what is stored."""
        clusters, nodes, replicas, moves, plan, desired = self._before
        return ChangeSet(
            clusters=tuple(c for key, c in self.clusters.items() if clusters.get(key) != c),
            nodes=tuple(n for key, n in self.nodes.items() if nodes.get(key) != n),
            replicas=tuple(r for key, r in self.replicas.items() if replicas.get(key) != r),
            moves=tuple(m for key, m in self.moves.items() if moves.get(key) != m),
            plans=(self.plan,) if self.plan is not None and self.plan != plan else (),
            desired=tuple(d for key, d in self.desired.items() if desired.get(key) != d),
            events=tuple(self.events),
            handled_notices=tuple(self.handled),
        )
