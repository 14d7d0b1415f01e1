"""Where one deployment goes, decided at once beside the last decision."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query

from scheduler.api.auth import Viewer
from scheduler.api.declare import Market, deployment_errors, deployment_of
from scheduler.api.placement import alive
from scheduler.api.schema import DeploymentIn, FleetIn, InvalidInputErrors, parse_fleet
from scheduler.api.services import Services, Use
from scheduler.api.workload import checked, store
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.units import usd

router = APIRouter(prefix="/v1", tags=["plans"])


@dataclass(frozen=True, slots=True)
class SpotOut:
    """Replicas in one pool: all of them, those of them that run there already, and the nodes to launch for them."""

    cluster: str
    offer_id: str
    shape: str
    replicas: int
    running: int
    new_nodes: int
    usd_per_h_of_a_node: float


@dataclass(frozen=True, slots=True)
class PlacementOut:
    """Where a deployment would go now.

    Attributes:
        unserved_share: of its demand, for which there is no room under its rules; 0 where all is met.
        added_usd_per_h: what the whole fleet costs more with it; negative where it costs less.
        decided_beside: ``last decision`` of a large fleet, at its prices of what is scarce, or ``present fleet``.
        declared: True where it was stored; the control loop then carries it out.
    """

    deployment: str
    spots: list[SpotOut]
    unserved_share: float
    added_usd_per_h: float
    decided_beside: str
    decided_ms: float
    declared: bool


@router.post("/placements")
async def place(body: Annotated[dict[str, Any], Body()], key: Viewer, use: Use, apply: Annotated[bool, Query()] = False) -> PlacementOut:
    """Decide at once where one deployment goes, a new one or a known one with other demand or rules; nothing else moves.

    With ``apply`` it is declared as well.
    """
    given = parse_fleet({"deployments": [body]}).deployments[0]
    if apply and key.role != "operator":
        raise HTTPException(403, "Declaring a deployment needs an operator's key; leave `apply` out to ask only.")
    snapshot = None if use.desk.decided else alive(await use.snapshot(use.clock()))
    answer = await asyncio.to_thread(_placed, use, given, snapshot, apply)
    if apply:
        await store(use, await checked(use, FleetIn(deployments=[given])), key.id)
    return answer


def _placed(use: Services, given: DeploymentIn, snapshot: Snapshot | None, declared: bool) -> PlacementOut:
    standby = use.desk.standby(snapshot)
    world = standby.snapshot
    models = {model.id: model for model in world.models}
    clusters = {cluster.id for cluster in world.clusters}
    errors = deployment_errors("deployments[0]", given, models, clusters, Market.of(world.offers))
    if errors:
        raise InvalidInputErrors(errors)
    began = perf_counter()
    placed = standby.place(deployment_of(given))
    spent_ms = (perf_counter() - began) * 1000
    return PlacementOut(
        deployment=placed.deployment,
        spots=[
            SpotOut(s.cluster, s.offer_id, s.shape, s.replicas, s.running, s.new_nodes, usd(s.price_micro_usd_per_h)) for s in placed.spots
        ],
        unserved_share=placed.unserved_share,
        added_usd_per_h=usd(placed.added_micro_usd_per_h),
        decided_beside="last decision" if snapshot is None else "present fleet",
        decided_ms=round(spent_ms, 2),
        declared=declared,
    )
