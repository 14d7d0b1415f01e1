"""``INSERT … ON CONFLICT`` over a whole batch, the way most repositories write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection


async def upsert(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]], *, update: Iterable[str] | None = None
) -> None:
    """Insert rows, or update those whose primary key exists.

    Args:
        update: columns that an existing row takes over; all but the key by default.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    names = list(update) if update is not None else [name for name in rows[0] if name not in keys]
    taken = {name: statement.excluded[name] for name in names}
    on_conflict = statement.on_conflict_do_update(index_elements=keys, set_=taken) if taken else statement.on_conflict_do_nothing()
    await connection.execute(on_conflict, list(rows))
