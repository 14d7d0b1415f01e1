"""What limits launches: quotas and reservations as reported, and what launches and interruptions taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, text

from scheduler.domain.evidence import Exposure, LaunchRecord
from scheduler.domain.ports import Limits
from scheduler.store.database import Database
from scheduler.store.schema import launch_records, provider_limits
from scheduler.store.upsert import upsert

FORGOTTEN_AFTER = timedelta(days=7)

_EXPOSURES = """
SELECT body ->> 'offer_id' AS offer_id,
       sum(greatest(0, extract(epoch FROM coalesce(ended_at, :now) - greatest((body ->> 'ready_at')::timestamptz, :since)))) / 3600
           AS node_hours,
       count(*) FILTER (WHERE (body ->> 'interrupted')::boolean) AS interruptions
FROM nodes
WHERE body ->> 'ready_at' IS NOT NULL AND (ended_at IS NULL OR ended_at >= :since)
GROUP BY 1
"""


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

    async def put_records(self, records: Sequence[LaunchRecord]) -> None:
        """Insert or replace by scope; what has said nothing for a week goes."""
        rows = [{"scope": each.scope, "relevant_at": _relevant_at(each), "body": each} for each in records]
        async with self._database.write() as connection:
            await upsert(connection, launch_records, rows)
            if rows:
                oldest = max(map(_relevant_at, records)) - FORGOTTEN_AFTER
                await connection.execute(delete(launch_records).where(launch_records.c.relevant_at < oldest))

    async def records(self, changed_since: datetime) -> Mapping[str, LaunchRecord]:
        """Records by scope that changed, or hold something back, since then."""
        statement = select(launch_records.c.body).where(launch_records.c.relevant_at >= changed_since)
        async with self._database.read() as connection:
            return {record.scope: record for record in (await connection.execute(statement)).scalars()}

    async def exposures(self, since: datetime, now: datetime) -> Mapping[str, Exposure]:
        """How long nodes that had joined ran since then, and how often they were taken back, by offer id."""
        async with self._database.read() as connection:
            rows = await connection.execute(text(_EXPOSURES), {"since": since, "now": now})
            return {row.offer_id: Exposure(float(row.node_hours), row.interruptions) for row in rows}


def _relevant_at(record: LaunchRecord) -> datetime:
    return max(record.changed_at, record.until or record.changed_at)
