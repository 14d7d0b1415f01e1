"""What people declared: models, engine shapes, deployments, aliases, external endpoints and tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.domain.errors import NoSuchError
from scheduler.domain.stores import Workload
from scheduler.domain.workload import Deployment, EngineShape, ExternalEndpoint, Model, Tenant
from scheduler.store.database import Database
from scheduler.store.schema import aliases, deployments, engine_shapes, external_endpoints, models, tenants
from scheduler.store.upsert import upsert


class Workloads:
    """Implements ``WorkloadStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def workload(self) -> Workload:
        """Everything, ordered by id, as of one instant."""
        async with self._database.read() as connection:
            return Workload(
                deployments=tuple(await _bodies(connection, deployments)),
                models=tuple(await _bodies(connection, models)),
                shapes=tuple(await _bodies(connection, engine_shapes)),
                aliases=tuple(await _bodies(connection, aliases)),
                endpoints=tuple(await _bodies(connection, external_endpoints)),
                tenants=tuple(await _bodies(connection, tenants)),
            )

    async def put(self, workload: Workload) -> None:
        """Insert or replace by id, all or nothing. What is not mentioned stays."""
        by_id: dict[Table, Sequence[Model | EngineShape | ExternalEndpoint | Tenant]] = {
            models: workload.models,
            engine_shapes: workload.shapes,
            external_endpoints: workload.endpoints,
            tenants: workload.tenants,
        }
        async with self._database.write() as connection:
            for table, values in by_id.items():
                await upsert(connection, table, [{"id": value.id, "body": value} for value in values])
            await upsert(connection, aliases, [{"id": alias.name, "body": alias} for alias in workload.aliases])
            await _put_deployments(connection, workload.deployments)

    async def delete_deployment(self, deployment: str) -> None:
        """Raises NoSuchError."""
        async with self._database.write() as connection:
            gone = await connection.execute(delete(deployments).where(deployments.c.id == deployment))
        if gone.rowcount == 0:
            raise NoSuchError("deployment", deployment)


async def _bodies(connection: AsyncConnection, table: Table) -> Sequence[Any]:
    return (await connection.execute(select(table.c.body).order_by(table.c.id))).scalars().all()


async def _put_deployments(connection: AsyncConnection, given: Sequence[Deployment]) -> None:
    ids = [deployment.id for deployment in given]
    # locked, so that two changes at the same time get two generations
    known_rows = await connection.execute(
        select(deployments.c.body).where(deployments.c.id.in_(ids)).order_by(deployments.c.id).with_for_update()
    )
    known: dict[str, Deployment] = {body.id: body for body in known_rows.scalars()}
    changed = [fresh for deployment in given if (fresh := _next_generation(deployment, known)) != known.get(deployment.id)]
    rows: list[Mapping[str, Any]] = [{"id": fresh.id, "generation": fresh.generation, "body": fresh} for fresh in changed]
    await upsert(connection, deployments, rows)


def _next_generation(given: Deployment, known: Mapping[str, Deployment]) -> Deployment:
    """The deployment with the generation it is due: one more where what its replicas run differs, unchanged otherwise."""
    before = known.get(given.id)
    if before is None:
        return replace(given, generation=1)
    return replace(given, generation=before.generation + (given.runs != before.runs))
