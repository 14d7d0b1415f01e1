"""The present fleet as a placement problem, for whoever wants to solve it elsewhere or later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter

from scheduler.api.auth import Viewer
from scheduler.api.placement_document import PlacementProblem
from scheduler.api.placement_write import document_of
from scheduler.api.services import Use
from scheduler.domain.lifecycle import NODE_ENDED, REPLICA_ENDED
from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer import with_modelled_shapes

router = APIRouter(prefix="/v1", tags=["plans"])


@router.get("/problem")
async def problem(_: Viewer, use: Use) -> dict[str, Any]:
    """The problem document that the next plan is made from; `headrace optimize` reads it."""
    snapshot = alive(with_modelled_shapes(await use.snapshot(use.clock())))
    return document_of(PlacementProblem(snapshot, about={"made_by": "GET /v1/problem"}))


def alive(snapshot: Snapshot) -> Snapshot:
    """Without what has ended, and without replicas of what is no longer declared: a plan does not look at them."""
    clusters = {cluster.id for cluster in snapshot.clusters}
    nodes = tuple(node for node in snapshot.nodes if node.state not in NODE_ENDED and node.cluster in clusters)
    known = {node.id: node for node in nodes}
    shapes, deployments = {shape.id for shape in snapshot.shapes}, {deployment.id for deployment in snapshot.deployments}
    replicas = tuple(
        replica
        for replica in snapshot.replicas
        if replica.state not in REPLICA_ENDED
        and replica.nodes
        and replica.deployment in deployments
        and replica.shape in shapes
        and all(name in known and known[name].cluster == replica.cluster for name in replica.nodes)
    )
    return replace(snapshot, nodes=nodes, replicas=replicas)
