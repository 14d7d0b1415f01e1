"""The mailbox between the control loop and the cluster agents: desired states out, reports and notices in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.domain.agentstate import DesiredState, ObservedState
from scheduler.domain.errors import NoSuchError
from scheduler.domain.events import Notice
from scheduler.store.database import Database
from scheduler.store.schema import agent_reports, clusters, desired_states, notices


class Agents:
    """Implements ``AgentStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def desired(self, cluster: str) -> DesiredState | None:
        """What was last asked of a cluster, None before anything was."""
        async with self._database.read() as connection:
            statement = select(desired_states.c.body).where(desired_states.c.cluster == cluster)
            return (await connection.execute(statement)).scalar_one_or_none()

    async def report(self, observed: ObservedState, lease_until: datetime) -> None:
        """Keep the last report and renew the lease. A report older than the kept one changes nothing. Raises NoSuchError."""
        row = insert(agent_reports).values(
            cluster=observed.cluster, observed_at=observed.observed_at, lease_until=lease_until, body=observed
        )
        taken = {name: row.excluded[name] for name in ("observed_at", "lease_until", "body")}
        not_older = row.excluded.observed_at >= agent_reports.c.observed_at
        async with self._database.write() as connection:
            known = await connection.execute(select(clusters.c.id).where(clusters.c.id == observed.cluster))
            if known.one_or_none() is None:
                raise NoSuchError("cluster", observed.cluster)
            await connection.execute(row.on_conflict_do_update(index_elements=["cluster"], set_=taken, where=not_older))

    async def observations(self) -> Sequence[tuple[ObservedState, datetime]]:
        """Last report of every cluster with the end of its lease, by cluster."""
        statement = select(agent_reports.c.body, agent_reports.c.lease_until).order_by(agent_reports.c.cluster)
        async with self._database.read() as connection:
            return [(row.body, row.lease_until) for row in await connection.execute(statement)]

    async def put_notice(self, notice: Notice) -> None:
        """Keep a notice once per (node, kind), however often the watcher repeats it; an earlier deadline opens it again."""
        row = insert(notices).values(
            node=notice.node, kind=notice.kind, deadline=notice.deadline, received_at=notice.received_at, handled=False, body=notice
        )
        taken = {name: row.excluded[name] for name in ("deadline", "received_at", "handled", "body")}
        sooner = row.excluded.deadline < notices.c.deadline
        async with self._database.write() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["node", "kind"], set_=taken, where=sooner))

    async def open_notices(self) -> Sequence[Notice]:
        """Notices not handled yet, oldest first."""
        statement = select(notices.c.body).where(~notices.c.handled).order_by(notices.c.received_at, notices.c.node, notices.c.kind)
        async with self._database.read() as connection:
            return (await connection.execute(statement)).scalars().all()


async def mark_handled(connection: AsyncConnection, keys: Sequence[str]) -> None:
    """Close notices. A key is ``node`` for all of a node's, or ``node/kind`` for the one that was read."""
    if not keys:
        return
    pairs = [key.rsplit("/", 1) for key in keys if "/" in key]
    exact = [and_(notices.c.node == node, notices.c.kind == kind) for node, kind in pairs]
    await connection.execute(update(notices).where(or_(notices.c.node.in_(keys), *exact)).values(handled=True))
