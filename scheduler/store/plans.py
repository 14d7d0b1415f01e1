"""Plans and moves, open and past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.domain.errors import ConflictError, InvalidInputError, NoSuchError
from scheduler.domain.lifecycle import PlanState
from scheduler.domain.plan import Move, Plan
from scheduler.store.database import Database
from scheduler.store.schema import moves, plans
from scheduler.store.upsert import upsert


class Plans:
    """Implements ``PlanStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def plan(self, plan_id: str) -> Plan:
        """The plan as it was decided, with its present state; its moves' progress is in ``moves``. Raises NoSuchError."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(plans).where(plans.c.id == plan_id))).one_or_none()
        if row is None:
            raise NoSuchError("plan", plan_id)
        return plan_of(row)

    async def plans(self, limit: int) -> Sequence[Plan]:
        """Newest first."""
        statement = select(plans).order_by(plans.c.created_at.desc(), plans.c.id).limit(limit)
        async with self._database.read() as connection:
            return [plan_of(row) for row in await connection.execute(statement)]

    async def moves(self, plan_id: str | None, limit: int) -> Sequence[Move]:
        """Newest first; of all plans where ``plan_id`` is None."""
        statement = select(moves.c.body).order_by(moves.c.position.desc()).limit(limit)
        if plan_id is not None:
            statement = statement.where(moves.c.plan == plan_id)
        async with self._database.read() as connection:
            return (await connection.execute(statement)).scalars().all()

    async def propose(self, plan: Plan) -> None:
        """Store a previewed plan. Raises ConflictError where the id is taken."""
        async with self._database.write() as connection:
            known = (await connection.execute(select(plans.c.id).where(plans.c.id == plan.id))).one_or_none()
            if known is not None:
                raise ConflictError(f"plan {plan.id} exists already")
            await write_plans(connection, [plan])

    async def decide(self, plan_id: str, state: PlanState, decided_by: str) -> Plan:
        """Apply or reject a proposed plan.

        Raises:
            InvalidInputError: a person can decide for ``applying`` or ``rejected`` only.
            NoSuchError: no such plan.
            ConflictError: it is no longer proposed; of two people who decide at once one gets this.
        """
        if state not in (PlanState.APPLYING, PlanState.REJECTED):
            raise InvalidInputError("state", state.value, "not a decision", "Decide for applying or rejected.")
        statement = (
            update(plans)
            .where(plans.c.id == plan_id, plans.c.state == PlanState.PROPOSED)
            .values(state=state, decided_by=decided_by)
            .returning(*plans.c)
        )
        async with self._database.write() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            present = await self.plan(plan_id)
            raise ConflictError(f"plan {plan_id} is {present.state}, only a proposed plan can be decided")
        return plan_of(row)


def plan_of(row: Row[Any]) -> Plan:
    plan: Plan = row.body
    return replace(plan, state=PlanState(row.state), decided_by=row.decided_by, ended_at=row.ended_at)


async def write_plans(connection: AsyncConnection, given: Sequence[Plan]) -> None:
    """Insert plans, or update their state."""
    rows = [
        {
            "id": plan.id,
            "created_at": plan.created_at,
            "state": plan.state,
            "decided_by": plan.decided_by,
            "ended_at": plan.ended_at,
            "body": plan,
        }
        for plan in given
    ]
    await upsert(connection, plans, rows)
