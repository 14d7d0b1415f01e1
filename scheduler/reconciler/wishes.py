"""What every cluster should run: the full list its agent gets, versioned inside the leader's epoch."""

from __future__ import annotations

from datetime import timedelta

from scheduler.domain.agentstate import DesiredReplica, DesiredState
from scheduler.domain.fleet import Replica
from scheduler.domain.lifecycle import REPLICA_ENDED, NodeState, ReplicaState
from scheduler.reconciler.draft import Draft

WANTED = frozenset({ReplicaState.STARTING, ReplicaState.WARMING, ReplicaState.READY, ReplicaState.SUSPECT, ReplicaState.DRAINING})
RUNNING_NODE = (NodeState.READY, NodeState.INTERRUPTED)


def start_requested(draft: Draft) -> None:
    """A requested replica is handed to its agent as soon as all its nodes have joined and nothing has to leave first."""
    for replica in list(draft.replicas.values()):
        if replica.state is not ReplicaState.REQUESTED or not draft.due(replica):
            continue
        launch = draft.sight.launches.get((replica.deployment, replica.shape))
        joined = all(name in draft.nodes and draft.nodes[name].state is NodeState.READY for name in replica.nodes)
        if launch is not None and joined and _has_room(draft, replica):
            deadline = draft.now + timedelta(seconds=launch.start_timeout_s)
            draft.replica(replica, ReplicaState.STARTING, "handed to its agent", deadline=deadline)


def _has_room(draft: Draft, replica: Replica) -> bool:
    """False while a replica that must leave first still holds its accelerators: never two replicas on one slot."""
    shapes = draft.sight.shapes
    need = shapes[replica.shape].accelerators_per_node if replica.shape in shapes else 1
    for name in replica.nodes:
        others = [r for r in draft.live_on(name) if r.id != replica.id and r.state is not ReplicaState.REQUESTED]
        if name in _haunted(draft, replica.cluster):
            return False
        used = sum(shapes[r.shape].accelerators_per_node if r.shape in shapes else 1 for r in others)
        if used + need > draft.nodes[name].instance_type.accelerator_count:
            return False
    return True


def _haunted(draft: Draft, cluster: str) -> set[str]:
    """Nodes on which the agent still sees an engine that we count as over: it holds its accelerators until it is gone."""
    report = draft.sight.observed.get(cluster)
    listed = report[0].replicas if report is not None else ()
    living = {replica.id for replica in draft.replicas.values() if replica.state not in REPLICA_ENDED}
    return {seen.node for seen in listed if seen.replica not in living}


def write_wishes(draft: Draft) -> None:
    """Renew a cluster's desired state where its content or the epoch changed."""
    for cluster in draft.clusters:
        old = draft.desired.get(cluster)
        wanted = tuple(
            wish
            for replica in sorted(draft.replicas.values(), key=lambda r: r.id)
            if replica.cluster == cluster and replica.state in WANTED and (wish := _wish(draft, replica, old)) is not None
        )
        nodes = tuple(sorted(n.id for n in draft.nodes.values() if n.cluster == cluster and n.state in RUNNING_NODE))
        if old is not None and (old.replicas, old.nodes, old.epoch) == (wanted, nodes, draft.sight.epoch):
            continue
        version = old.version + 1 if old is not None else 1
        draft.desired[cluster] = DesiredState(cluster, draft.sight.epoch, version, wanted, nodes)


def _wish(draft: Draft, replica: Replica, old: DesiredState | None) -> DesiredReplica | None:
    """What was once asked for stays as it was: a later change of settings must not restart a replica that serves."""
    for wish in old.replicas if old is not None else ():
        if wish.replica == replica.id and wish.generation == replica.generation:
            return wish
    launch = draft.sight.launches.get((replica.deployment, replica.shape))
    shape = draft.sight.shapes.get(replica.shape)
    if launch is None or shape is None:
        return None
    return DesiredReplica(replica.id, replica.deployment, replica.generation, replica.nodes, shape.accelerators_per_node, launch)
