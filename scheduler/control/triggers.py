"""What wakes a decision: two fingerprints of the world, one for trouble, one for everything that a plan depends on; and what
tells that a plan made earlier no longer fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from scheduler.domain.lifecycle import MOVE_ENDED, NODE_USABLE, MoveState, NodeState, ReplicaState
from scheduler.domain.plan import Plan
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import Fleet

PERIODIC = "periodic optimisation"


def trouble(view: Snapshot) -> Hashable:
    """Whatever must be answered at once, even while another plan is being applied."""
    doomed = frozenset(node.id for node in view.nodes if node.state in (NodeState.INTERRUPTED, NodeState.LOST))
    clusters = frozenset((cluster.id, cluster.schedulability, cluster.state) for cluster in view.clusters)
    return doomed, clusters, _wishes(view)


def standing(view: Snapshot) -> Hashable:
    """What runs, counted the way a target counts, with everything of ``trouble``."""
    pools = Counter(node.pool for node in view.nodes if node.state in NODE_USABLE)
    where = {node.id: node.pool for node in view.nodes if node.state in NODE_USABLE}
    replicas = Counter((r.deployment, where.get(r.nodes[0], ""), r.shape, r.generation, r.state.value == "draining") for r in view.replicas)
    return trouble(view), frozenset(pools.items()), frozenset(replicas.items())


def _wishes(view: Snapshot) -> Hashable:
    return frozenset((d.id, d.generation, hash(repr(d))) for d in view.deployments), frozenset(repr(s) for s in view.shapes)


def why(before: Hashable | None, after: Snapshot, *, periodic: bool) -> str:
    """A short reason for the plan's record."""
    doomed = [node.id for node in after.nodes if node.state in (NodeState.INTERRUPTED, NodeState.LOST)]
    if doomed:
        return f"nodes {', '.join(doomed[:3])} are going away"
    closed = [cluster.id for cluster in after.clusters if cluster.schedulability.value != "open" or cluster.state.value == "lost"]
    if closed and before is not None:
        return f"cluster {closed[0]} changed"
    return PERIODIC if periodic else "start" if before is None else "the fleet or the demand changed"


def misfit(fleet: Fleet, plan: Plan) -> str:
    """Why a plan that was proposed earlier can't be begun now, "" if it can."""
    begun = {m.old_replica for m in fleet.moves if m.state not in MOVE_ENDED and m.state is not MoveState.REQUESTED}
    going = {r.id for r in fleet.replicas if r.state in (ReplicaState.DRAINING, ReplicaState.STOPPING)} | begun
    live = {replica.id for replica in fleet.replicas}
    nodes = {node.id for node in fleet.nodes if node.state in NODE_USABLE} | {node.id for node in plan.new_nodes}
    for move in plan.moves:
        if move.old_replica and (move.old_replica not in live or move.old_replica in going):
            return f"replica {move.old_replica} is gone or about to go"
    for new in plan.new_replicas:
        missing = [name for name in new.nodes if name not in nodes]
        if missing:
            return f"node {missing[0]} is gone"
    return ""
