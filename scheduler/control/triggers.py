"""What wakes a decision: two fingerprints of the world, one for trouble, one for everything that a plan depends on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from scheduler.domain.lifecycle import NODE_USABLE, NodeState
from scheduler.domain.snapshot import Snapshot


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
    return "periodic optimisation" if periodic else "start" if before is None else "the fleet or the demand changed"
