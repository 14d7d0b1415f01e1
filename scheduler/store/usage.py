"""The ledger's rows: tokens and node seconds by minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from scheduler.domain.usage import NodeUsage, TokenUsage
from scheduler.store.database import Database
from scheduler.store.schema import node_usage, token_usage
from scheduler.store.upsert import upsert

_COUNTS = ("requests", "failures", "input_tokens", "output_tokens")
_TOKEN_KEY = ("minute", "tenant", "deployment", "replica")


class Usage:
    """Implements ``UsageStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_tokens(self, rows: Sequence[TokenUsage]) -> None:
        """Add to the row of the same (minute, tenant, deployment, replica)."""
        if not rows:
            return
        statement = insert(token_usage)
        added = {name: token_usage.c[name] + statement.excluded[name] for name in _COUNTS}
        async with self._database.write() as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=list(_TOKEN_KEY), set_=added), [asdict(row) for row in rows]
            )

    async def put_nodes(self, rows: Sequence[NodeUsage]) -> None:
        """Replace the row of the same (minute, node, deployment, phase)."""
        async with self._database.write() as connection:
            await upsert(connection, node_usage, [asdict(row) for row in rows])

    async def tokens(self, since: datetime, until: datetime) -> Sequence[TokenUsage]:
        """Rows of minutes in [since, until), oldest first."""
        table = token_usage.c
        columns = [table[field.name] for field in fields(TokenUsage)]
        statement = select(*columns).where(table.minute >= since, table.minute < until).order_by(*token_usage.primary_key)
        async with self._database.read() as connection:
            return [TokenUsage(*row) for row in await connection.execute(statement)]

    async def nodes(self, since: datetime, until: datetime) -> Sequence[NodeUsage]:
        """Rows of minutes in [since, until), oldest first."""
        table = node_usage.c
        columns = [table[field.name] for field in fields(NodeUsage)]
        statement = select(*columns).where(table.minute >= since, table.minute < until).order_by(*node_usage.primary_key)
        async with self._database.read() as connection:
            return [NodeUsage(*row) for row in await connection.execute(statement)]
