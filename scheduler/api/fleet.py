"""Clusters, nodes and replicas: what runs where, in which state, at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter

from scheduler.api.auth import Operator, Viewer
from scheduler.api.services import Services, Use
from scheduler.domain.events import Event, EventKind
from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.lifecycle import NODE_ENDED, NodeState, ReplicaState, Schedulability
from scheduler.domain.units import usd

router = APIRouter(prefix="/v1", tags=["fleet"])


@dataclass(frozen=True, slots=True)
class ClusterOut:
    """A cluster with its counts and cost."""

    cluster: Cluster
    nodes: int
    ready_replicas: int
    in_flight: int
    usd_per_h: float


@router.get("/clusters")
async def clusters(_: Viewer, use: Use) -> list[ClusterOut]:
    """Every declared cluster."""
    fleet = await use.stores.fleet.fleet()
    found = []
    for cluster in fleet.clusters:
        nodes = [node for node in fleet.nodes if node.cluster == cluster.id and is_paid(node)]
        replicas = [replica for replica in fleet.replicas if replica.cluster == cluster.id]
        ready = sum(replica.state is ReplicaState.READY for replica in replicas)
        in_flight = sum(replica.in_flight for replica in replicas)
        found.append(ClusterOut(cluster, len(nodes), ready, in_flight, usd(sum(node.price_micro_usd_per_h for node in nodes))))
    return found


def is_paid(node: Node) -> bool:
    """True while a machine exists at its provider."""
    return node.state not in NODE_ENDED and node.state not in (NodeState.REQUESTED, NodeState.LAUNCHING)


@router.post("/clusters/{cluster}/cordon")
async def cordon(cluster: str, key: Operator, use: Use) -> Cluster:
    """No new placements; what runs there stays."""
    return await _set(use, cluster, Schedulability.CORDONED, EventKind.CLUSTER_CORDONED, key.id)


@router.post("/clusters/{cluster}/drain")
async def drain(cluster: str, key: Operator, use: Use) -> Cluster:
    """Move everything off it, make before break."""
    return await _set(use, cluster, Schedulability.DRAINING, EventKind.CLUSTER_DRAINING, key.id)


@router.post("/clusters/{cluster}/uncordon")
async def uncordon(cluster: str, key: Operator, use: Use) -> Cluster:
    """Open it again."""
    return await _set(use, cluster, Schedulability.OPEN, EventKind.CLUSTER_OPENED, key.id)


async def _set(use: Services, cluster: str, value: Schedulability, kind: EventKind, by: str) -> Cluster:
    changed = await use.stores.fleet.set_schedulability(cluster, value)
    await use.stores.events.append([Event(kind, use.clock(), cluster, f"cluster {cluster} is now {value.value} (by {by})")])
    return changed


@router.get("/nodes")
async def nodes(_: Viewer, use: Use) -> list[Node]:
    """Nodes that have not ended."""
    return list((await use.stores.fleet.fleet()).nodes)


@router.get("/placements")
async def placements(_: Viewer, use: Use, deployment: str = "", cluster: str = "") -> list[Replica]:
    """Replicas that have not ended, with their nodes, endpoints and load."""
    fleet = await use.stores.fleet.fleet()
    return [r for r in fleet.replicas if deployment in ("", r.deployment) and cluster in ("", r.cluster)]


@router.get("/status")
async def status(_: Viewer, use: Use) -> dict[str, Any]:
    """What this control plane is, and how the fleet stands in one object."""
    fleet = await use.stores.fleet.fleet()
    states: dict[str, int] = {}
    for replica in fleet.replicas:
        states[replica.state.value] = states.get(replica.state.value, 0) + 1
    return {
        **use.facts,
        "time": use.clock().isoformat(),
        "leads": use.epoch() > 0,
        "epoch": use.epoch(),
        "front_door": use.settings.front_door,
        "clusters": {cluster.id: cluster.state.value for cluster in fleet.clusters},
        "replicas": states,
        "nodes": sum(is_paid(node) for node in fleet.nodes),
        "usd_per_h": usd(sum(node.price_micro_usd_per_h for node in fleet.nodes if is_paid(node))),
        "plan": fleet.plan.id if fleet.plan is not None else None,
    }
