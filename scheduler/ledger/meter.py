"""Node time by minute, attributed to the deployments that use it.

Every paid second of a node is split among its replicas by accelerators; what nobody uses is idle and belongs to "". The
phase says what the time was for: ``serving``, ``starting`` (the node joins or an engine loads), ``draining`` (the old replica of
a move, that is, the double occupancy of make-before-break) or ``idle``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from scheduler.domain.fleet import Node, Replica
from scheduler.domain.lifecycle import REPLICA_COMING, REPLICA_ENDED, NodeState, ReplicaState
from scheduler.domain.usage import NodeUsage

PAID = frozenset({NodeState.JOINING, NodeState.READY, NodeState.INTERRUPTED, NodeState.TERMINATING, NodeState.LOST})
Key = tuple[datetime, str, str, str]
LONGEST_GAP = timedelta(hours=1)
"""A longer silence of the control plane is not billed by guesswork; the provider's invoice knows it."""


class NodeMeter:
    """Accumulates samples; holds the seconds of the minutes that may still grow."""

    def __init__(self, known: Iterable[NodeUsage] = (), since: datetime | None = None) -> None:
        """``known`` are stored rows of the present minute, so that a restarted process continues them; ``since``: last sample."""
        self._seconds: dict[Key, float] = defaultdict(float)
        for row in known:
            self._seconds[row.minute, row.node, row.deployment, row.phase] = row.seconds
        self._since = since

    def sample(self, nodes: Iterable[Node], replicas: Iterable[Replica], shares: Mapping[str, int], now: datetime) -> list[NodeUsage]:
        """Bill the time since the last sample at the present state; returns the rows that changed.

        Args:
            shares: accelerators per node by shape id.
        """
        since, self._since = self._since, now
        if since is None or since >= now or now - since > LONGEST_GAP:
            return []
        prices = {node.id: node.price_micro_usd_per_h for node in nodes}
        living = [replica for replica in replicas if replica.state not in REPLICA_ENDED]
        touched: set[Key] = set()
        for node in nodes:
            if node.state in PAID:
                for deployment, phase, share in _split(node, living, shares):
                    for minute, seconds in _minutes(since, now):
                        key = (minute, node.id, deployment, phase)
                        self._seconds[key] += seconds * share
                        touched.add(key)
        rows = [NodeUsage(*key, self._seconds[key], round(self._seconds[key] * prices[key[1]] / 3600)) for key in sorted(touched)]
        oldest = now.replace(second=0, microsecond=0)
        self._seconds = defaultdict(float, {key: value for key, value in self._seconds.items() if key[0] >= oldest})
        return rows


def _split(node: Node, replicas: list[Replica], shares: Mapping[str, int]) -> list[tuple[str, str, float]]:
    """(deployment, phase, share of the node), shares summing to 1."""
    size = max(1, node.instance_type.accelerator_count)
    parts = [(r.deployment, _phase(node, r), shares.get(r.shape, 1) / size) for r in replicas if node.id in r.nodes]
    used = sum(share for _, _, share in parts)
    if used > 1:
        return [(name, phase, share / used) for name, phase, share in parts]
    idle = 1 - used
    return parts + ([("", "idle", idle)] if idle > 1e-9 else [])


def _phase(node: Node, replica: Replica) -> str:
    if replica.state in REPLICA_COMING or node.state is NodeState.JOINING:
        return "starting"
    return "draining" if replica.state in (ReplicaState.DRAINING, ReplicaState.STOPPING) else "serving"


def _minutes(since: datetime, until: datetime) -> list[tuple[datetime, float]]:
    """The interval cut at full minutes: (minute, seconds in it)."""
    found = []
    at = since
    while at < until:
        minute = at.replace(second=0, microsecond=0)
        end = min(until, minute + timedelta(minutes=1))
        found.append((minute, (end - at).total_seconds()))
        at = end
    return found
