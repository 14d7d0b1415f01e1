"""What limits launches: quotas and reservations as reported, and caps learned from stockouts and quota errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from scheduler.domain.ports import Limits
from scheduler.domain.snapshot import LaunchCap
from scheduler.store.database import Database
from scheduler.store.schema import launch_caps, provider_limits
from scheduler.store.upsert import upsert


class Evidence:
    """Implements ``EvidenceStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def limits(self) -> Limits:
        """Quotas and reservations of all feeds together."""
        statement = select(provider_limits.c.body).order_by(provider_limits.c.feed, provider_limits.c.account)
        async with self._database.read() as connection:
            parts = (await connection.execute(statement)).scalars().all()
        return Limits(
            quotas=tuple(quota for part in parts for quota in part.quotas),
            reservations=tuple(reservation for part in parts for reservation in part.reservations),
        )

    async def put_cap(self, offer_id: str, cap: LaunchCap) -> None:
        """Replace the cap of an offer."""
        row = {"offer_id": offer_id, "nodes": cap.nodes, "confidence": cap.confidence, "reason": cap.reason, "until": cap.until}
        async with self._database.write() as connection:
            await upsert(connection, launch_caps, [row])

    async def caps(self, now: datetime) -> Mapping[str, LaunchCap]:
        """Caps in force at ``now``: those without an end and those that end later."""
        table = launch_caps.c
        statement = select(launch_caps).where(table.until.is_(None) | (table.until > now)).order_by(table.offer_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return {row.offer_id: LaunchCap(row.nodes, row.confidence, row.reason, row.until) for row in rows}
