"""Models and deployments: declare, scale, delete; and the whole fleet file at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Body

from scheduler.api.auth import Operator, Viewer
from scheduler.api.declare import Declaration, Market, declare
from scheduler.api.schema import DeploymentIn, FleetIn, parse_fleet
from scheduler.api.services import Services, Use
from scheduler.domain.errors import InvalidInputError, NoSuchError
from scheduler.domain.events import Event, EventKind
from scheduler.domain.stores import OfferFilter, Workload
from scheduler.domain.workload import Deployment, EngineShape, ExternalEndpoint, Model, ModelAlias, Tenant

router = APIRouter(prefix="/v1", tags=["workload"])

EVERY_OFFER = OfferFilter(limit=1_000_000)


@dataclass(frozen=True, slots=True)
class WorkloadOut:
    """Everything people declared."""

    deployments: list[Deployment]
    models: list[Model]
    shapes: list[EngineShape]
    aliases: list[ModelAlias]
    endpoints: list[ExternalEndpoint]
    tenants: list[Tenant]


@router.get("/fleet")
async def fleet(_: Viewer, use: Use) -> WorkloadOut:
    """The declared fleet."""
    known = await use.stores.workload.workload()
    return WorkloadOut(
        deployments=list(known.deployments),
        models=list(known.models),
        shapes=list(known.shapes),
        aliases=list(known.aliases),
        endpoints=list(known.endpoints),
        tenants=list(known.tenants),
    )


@router.put("/fleet")
async def put_fleet(document: FleetIn, key: Operator, use: Use) -> WorkloadOut:
    """Declare what the document holds; what it leaves out stays as it is. Nothing is changed if anything is wrong."""
    declaration = await checked(use, document)
    await store(use, declaration, key.id)
    return await fleet(key, use)


async def checked(use: Services, document: FleetIn) -> Declaration:
    """Check a document against the market and what is declared already. Raises InvalidInputErrors."""
    offers, _ = await use.stores.offers.list_offers(EVERY_OFFER)
    known = await use.stores.workload.workload()
    clusters = (await use.stores.fleet.fleet()).clusters
    return declare(document, Market.of(offers), known, clusters, use.clock().date())


async def store(use: Services, declaration: Declaration, by: str) -> None:
    """Make a declaration the wanted state; the loop sees it at its next tick."""
    await use.stores.fleet.put_clusters(declaration.clusters)
    await use.stores.workload.put(declaration.workload)
    now = use.clock()
    await use.stores.events.append(
        [
            Event(EventKind.DEPLOYMENT_CHANGED, now, d.id, f"deployment {d.id} was declared (by {by})")
            for d in declaration.workload.deployments
        ]
    )


@router.get("/models")
async def models(_: Viewer, use: Use) -> list[Model]:
    """Declared models."""
    return list((await use.stores.workload.workload()).models)


@router.get("/deployments")
async def deployments(_: Viewer, use: Use) -> list[Deployment]:
    """Declared deployments."""
    return list((await use.stores.workload.workload()).deployments)


@router.get("/deployments/{deployment}")
async def deployment(deployment: str, _: Viewer, use: Use) -> Deployment:
    """One deployment."""
    return await _find(use, deployment)


async def _find(use: Services, name: str) -> Deployment:
    found = next((d for d in (await use.stores.workload.workload()).deployments if d.id == name), None)
    if found is None:
        raise NoSuchError("deployment", name)
    return found


@router.put("/deployments/{deployment}")
async def put_deployment(deployment: str, body: Annotated[dict[str, Any], Body()], key: Operator, use: Use) -> Deployment:
    """Declare one deployment; its id is the one in the path."""
    given = DeploymentIn.model_validate(parse_fleet({"deployments": [{**body, "id": deployment}]}).deployments[0])
    await store(use, await checked(use, FleetIn(deployments=[given])), key.id)
    return await _find(use, deployment)


@router.post("/deployments/{deployment}/scale")
async def scale(deployment: str, key: Operator, use: Use, min_replicas: Annotated[int, Body(ge=0, le=100_000)],
                max_replicas: Annotated[int, Body(ge=1, le=100_000)]) -> Deployment:  # fmt: skip
    """Set the bounds between which demand decides."""
    if min_replicas > max_replicas:
        raise InvalidInputError("min_replicas", min_replicas, f"exceeds max_replicas {max_replicas}", "Lower it, or raise max_replicas.")
    changed = replace(await _find(use, deployment), min_replicas=min_replicas, max_replicas=max_replicas)
    await use.stores.workload.put(Workload(deployments=(changed,)))
    message = f"deployment {deployment} is scaled to {min_replicas}..{max_replicas} replicas (by {key.id})"
    await use.stores.events.append([Event(EventKind.DEPLOYMENT_CHANGED, use.clock(), deployment, message)])
    return await _find(use, deployment)


@router.delete("/deployments/{deployment}", status_code=204)
async def delete(deployment: str, key: Operator, use: Use) -> None:
    """Stop serving it; its replicas drain."""
    await use.stores.workload.delete_deployment(deployment)
    message = f"deployment {deployment} was deleted (by {key.id})"
    await use.stores.events.append([Event(EventKind.DEPLOYMENT_CHANGED, use.clock(), deployment, message)])
