"""What we run: clusters, node pools, nodes and replicas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scheduler.domain.lifecycle import ClusterState, NodeState, ReplicaState, Schedulability
from scheduler.domain.offer import CapacityType, InstanceType


@dataclass(frozen=True, slots=True)
class Cluster:
    """One Ray control domain in one region of one provider.

    Attributes:
        zones: zones it may hold nodes in; empty means all zones of the region.
        schedulability: what people want of it (open, cordoned, draining).
        state: what is known of it, from the agent's lease and the endpoints' health.
    """

    id: str
    provider: str
    region: str
    jurisdiction: str
    account: str = "default"
    zones: tuple[str, ...] = ()
    schedulability: Schedulability = Schedulability.OPEN
    state: ClusterState = ClusterState.JOINING
    lease_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A rented machine that joined, or is to join, a cluster.

    Attributes:
        offer_id: the offer it was launched from.
        launch_token: unique tag and idempotency token; also how an orphan is recognised.
        provider_node_id: the vendor's id, "" until the launch answered.
        deadline: when the present state gives up, or the interruption deadline.
        reason: why it is in this state.
        feed: who launched it where that is not the offer's own cloud: a broker; "" otherwise.
    """

    id: str
    cluster: str
    offer_id: str
    instance_type: InstanceType
    zone: str
    capacity_type: CapacityType
    price_micro_usd_per_h: int
    state: NodeState
    launch_token: str
    requested_at: datetime
    provider_node_id: str = ""
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    deadline: datetime | None = None
    attempt: int = 1
    interrupted: bool = False
    reason: str = ""
    feed: str = ""

    @property
    def pool(self) -> str:
        return pool_id(self.cluster, self.offer_id)


@dataclass(frozen=True, slots=True)
class Replica:
    """One serving copy of a deployment, on one node or a gang of nodes.

    Attributes:
        nodes: node ids it occupies, first is the leader.
        generation: generation of the deployment's specification it runs.
        endpoint: ``host:port`` once it answers, "" before.
        weight: share of its full traffic the edge gives it, 0 to 100.
        in_flight: requests running on it at the last observation.
        restarts: engine restarts inside the cluster.
    """

    id: str
    deployment: str
    shape: str
    cluster: str
    nodes: tuple[str, ...]
    state: ReplicaState
    generation: int
    requested_at: datetime
    endpoint: str = ""
    weight: int = 0
    in_flight: int = 0
    ready_at: datetime | None = None
    ended_at: datetime | None = None
    deadline: datetime | None = None
    restarts: int = 0
    pid: int | None = None
    reason: str = ""

    @property
    def serving(self) -> bool:
        """True while it may still hold requests."""
        return self.state in (ReplicaState.READY, ReplicaState.DRAINING, ReplicaState.SUSPECT)


def pool_id(cluster: str, offer: str) -> str:
    """A node pool is the nodes of one cluster launched from one offer."""
    return f"{cluster}|{offer}"
