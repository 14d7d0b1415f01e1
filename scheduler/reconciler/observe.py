"""Passive transitions: the world changed, and the rows follow. Nothing here decides to act."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from scheduler.domain.agentstate import ObservedReplica, ObservedState
from scheduler.domain.events import TIGHTENING, EventKind, Notice
from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.lifecycle import NODE_ENDED, REPLICA_ENDED, ClusterState, NodeState, ReplicaState
from scheduler.reconciler.draft import Draft

ON_THE_WAY = (ReplicaState.REQUESTED, ReplicaState.STARTING, ReplicaState.WARMING)
IN_SERVICE = (ReplicaState.READY, ReplicaState.DRAINING, ReplicaState.SUSPECT)


def observe(draft: Draft) -> None:
    """Clusters, then notices, then nodes, then replicas: each needs the one before."""
    draft.each(draft.clusters.values(), _cluster, lambda cluster: cluster.id)
    draft.each(draft.sight.notices, _notice, _notice_key)
    _prices(draft)
    draft.each(draft.nodes.values(), _node, lambda node: node.id)
    draft.each(draft.replicas.values(), _replica, lambda replica: replica.id)


def _cluster(draft: Draft, cluster: Cluster) -> None:
    report = draft.sight.observed.get(cluster.id)
    if report is None:
        return
    lease_until = report[1]
    if lease_until >= draft.now:
        if cluster.state is not ClusterState.READY:
            draft.cluster(cluster, ClusterState.READY, f"cluster {cluster.id} reports", EventKind.CLUSTER_READY, lease_until=lease_until)
        else:
            draft.clusters[cluster.id] = replace(cluster, lease_until=lease_until)
        return
    silent_s = (draft.now - lease_until).total_seconds()
    if cluster.state is ClusterState.READY:
        draft.cluster(cluster, ClusterState.SUSPECT, f"cluster {cluster.id} is silent, its lease ran out", EventKind.CLUSTER_SUSPECT)
        cluster = draft.clusters[cluster.id]
    if cluster.state is not ClusterState.SUSPECT:
        return
    dead = _endpoints_dead(draft, cluster)
    if dead or silent_s > draft.sight.settings.lost_after_s:
        why = "the edge finds its endpoints dead too" if dead else f"silent for {silent_s:.0f} s"
        draft.cluster(cluster, ClusterState.LOST, f"cluster {cluster.id} is lost: {why}", EventKind.CLUSTER_LOST)


def _endpoints_dead(draft: Draft, cluster: Cluster) -> bool:
    """True where the edge can be asked and none of the cluster's endpoints is healthy; a cluster without any proves nothing."""
    endpoints = {r.endpoint for r in draft.replicas.values() if r.cluster == cluster.id and r.state in IN_SERVICE and r.endpoint}
    return draft.sight.healthy is not None and bool(endpoints) and not endpoints & draft.sight.healthy


def _notice_key(notice: Notice) -> str:
    return f"{notice.node}/{notice.kind.value}"


def _notice(draft: Draft, notice: Notice) -> None:
    """A notice marks its node once; repeating it changes nothing."""
    node = draft.nodes.get(notice.node)
    if node is None or node.state in NODE_ENDED or node.state is NodeState.TERMINATING:
        draft.handled.append(_notice_key(notice))
        return
    if node.state in (NodeState.REQUESTED, NodeState.LAUNCHING):
        return  # the machine runs before the answer to its launch was stored: the notice waits for the row
    if notice.kind is EventKind.INTERRUPTION_NOTICE and node.state in (NodeState.READY, NodeState.JOINING):
        draft.node(node, NodeState.INTERRUPTED, notice.evidence, interrupted=True, deadline=notice.deadline)
    elif notice.kind is EventKind.INTERRUPTION_NOTICE and node.state is NodeState.INTERRUPTED and notice.deadline is not None:
        # A provider may bring its deadline forward; the store opens such a notice again.
        draft.node(node, node.state, deadline=min(notice.deadline, node.deadline or notice.deadline))
    if notice.kind in TIGHTENING:
        deadline = notice.deadline.isoformat() if notice.deadline else None
        draft.tell(notice.kind, notice.node, notice.evidence, cluster=node.cluster, offer=node.offer_id, deadline=deadline)
    draft.handled.append(_notice_key(notice))


def _prices(draft: Draft) -> None:
    """A spot node is billed at the present price of its market; other nodes keep the price they were launched at."""
    for node in list(draft.nodes.values()):
        price = draft.sight.prices.get(node.offer_id)
        if node.capacity_type.revocable and price is not None and price != node.price_micro_usd_per_h and node.state not in NODE_ENDED:
            draft.nodes[node.id] = replace(node, price_micro_usd_per_h=price)


def _complete(draft: Draft, cluster: str) -> ObservedState | None:
    """The cluster's report, if it may be believed about what is absent."""
    report = draft.sight.observed.get(cluster)
    if report is None or report[1] < draft.now or not report[0].complete:
        return None
    return report[0]


def _node(draft: Draft, node: Node) -> None:
    if draft.clusters[node.cluster].state is ClusterState.LOST and node.state in (
        NodeState.READY,
        NodeState.INTERRUPTED,
        NodeState.JOINING,
    ):
        draft.node(node, NodeState.LOST, "its cluster is lost")
        return
    report = _complete(draft, node.cluster)
    if report is None:
        return
    alive = any(seen.node == node.id and seen.alive for seen in report.nodes)
    grace = timedelta(seconds=draft.sight.settings.vanished_grace_s)
    match node.state:
        case NodeState.JOINING if alive:
            draft.node(node, NodeState.READY, "joined its cluster", ready_at=draft.now, deadline=None)
        case NodeState.LOST if alive:
            draft.node(node, NodeState.READY, "seen again", deadline=None)
        case NodeState.READY if not alive:
            # The deadline doubles as the mark of when it went missing, so that the grace survives a restart.
            if node.deadline is None:
                draft.nodes[node.id] = replace(node, deadline=draft.now + grace)
            elif draft.now >= node.deadline:
                draft.node(node, NodeState.LOST, "vanished from its cluster without a notice", deadline=None)
        case NodeState.READY if node.deadline is not None:
            draft.nodes[node.id] = replace(node, deadline=None)
        case NodeState.INTERRUPTED if not alive and (node.deadline is None or draft.now >= node.deadline):
            draft.node(node, NodeState.LOST, "reclaimed by its provider")
        case _:
            pass


def _replica(draft: Draft, replica: Replica) -> None:
    if replica.state in REPLICA_ENDED:
        return
    gone = [
        name
        for name in replica.nodes
        if name not in draft.nodes or draft.nodes[name].state in (NodeState.LOST, NodeState.FAILED, NodeState.TERMINATED)
    ]
    if gone:
        state = ReplicaState.LOST if replica.state is not ReplicaState.STOPPING else ReplicaState.STOPPED
        draft.replica(replica, state, f"its node {gone[0]} is gone", weight=0, ended_at=draft.now)
        return
    if replica.state is ReplicaState.REQUESTED and any(draft.nodes[name].state is NodeState.INTERRUPTED for name in replica.nodes):
        draft.replica(replica, ReplicaState.LOST, "its node is being reclaimed before it could start", ended_at=draft.now)
        return
    if draft.clusters[replica.cluster].state is ClusterState.SUSPECT:
        # The agent's count is old by now; the edge's is not.
        load = max(replica.in_flight, draft.sight.in_flight.get(replica.endpoint, 0))
        state = ReplicaState.SUSPECT if replica.state is ReplicaState.READY else replica.state
        draft.replica(replica, state, "its cluster is silent" if state is not replica.state else "", in_flight=load)
        return
    report = draft.sight.observed.get(replica.cluster)
    if report is None:
        return
    seen = next((each for each in report[0].replicas if each.replica == replica.id), None)
    if seen is not None:
        _follow(draft, replica, seen)
    else:
        _absent(draft, replica)


def _follow(draft: Draft, replica: Replica, seen: ObservedReplica) -> None:
    """Take over what the agent says of a replica."""
    load = max(seen.in_flight, draft.sight.in_flight.get(seen.endpoint, 0)) if seen.endpoint else seen.in_flight
    facts: dict[str, Any] = {"in_flight": load, "pid": seen.pid, "restarts": seen.restarts, "endpoint": seen.endpoint or replica.endpoint}
    match (replica.state, seen.state):
        case (ReplicaState.STOPPING, _) | (ReplicaState.REQUESTED, _):
            draft.replicas[replica.id] = replace(replica, in_flight=load, pid=seen.pid)
        case (ReplicaState.SUSPECT, ReplicaState.FAILED):
            draft.replica(replica, ReplicaState.LOST, seen.error or "the engine gave up out of sight", weight=0, ended_at=draft.now)
        case (_, ReplicaState.FAILED):
            draft.replica(replica, ReplicaState.FAILED, seen.error or "the engine gave up", weight=0, ended_at=draft.now)
        case (_, ReplicaState.LOST):
            draft.replica(replica, ReplicaState.LOST, seen.error or "its node died", weight=0, ended_at=draft.now)
        case (ReplicaState.STARTING | ReplicaState.WARMING | ReplicaState.SUSPECT, ReplicaState.READY):
            draft.replica(replica, ReplicaState.READY, "answers prompts", ready_at=replica.ready_at or draft.now, deadline=None, **facts)
        case (ReplicaState.STARTING, ReplicaState.WARMING):
            draft.replica(replica, ReplicaState.WARMING, "the engine listens", **facts)
        case (ReplicaState.READY | ReplicaState.SUSPECT, ReplicaState.STARTING | ReplicaState.WARMING):
            # Between two reports the engine may have got as far as listening again; either way it answers nobody now.
            until = draft.now + timedelta(seconds=_start_timeout_s(draft, replica))
            draft.replica(
                replica, ReplicaState.STARTING, seen.error or "the engine restarts", **{**facts, "in_flight": 0, "deadline": until}
            )
        case (ReplicaState.WARMING, ReplicaState.STARTING):
            draft.replica(replica, ReplicaState.STARTING, seen.error or "the engine restarts", **{**facts, "in_flight": 0})
        case _:
            draft.replicas[replica.id] = replace(replica, **facts)


def _start_timeout_s(draft: Draft, replica: Replica) -> float:
    launch = draft.sight.launches.get((replica.deployment, replica.shape))
    return launch.start_timeout_s if launch is not None else draft.sight.settings.join_timeout_s


def _absent(draft: Draft, replica: Replica) -> None:
    """The agent does not list it. That means something only if the report is complete and knows our last wish."""
    report = _complete(draft, replica.cluster)
    wish = draft.desired.get(replica.cluster)
    if report is None or wish is None or (report.applied_epoch, report.applied_version) < (wish.epoch, wish.version):
        return
    if replica.state is ReplicaState.STOPPING:
        draft.replica(replica, ReplicaState.STOPPED, "stopped", ended_at=draft.now, in_flight=0, weight=0)
    elif replica.state is not ReplicaState.REQUESTED and replica.id in {each.replica for each in wish.replicas}:
        state = ReplicaState.FAILED if replica.state in ON_THE_WAY else ReplicaState.LOST
        draft.replica(replica, state, "its agent no longer knows it", weight=0, ended_at=draft.now)
