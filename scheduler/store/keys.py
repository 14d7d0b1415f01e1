"""API keys, by hash. The key itself is never stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime

from sqlalchemy import func, select, update

from scheduler.domain.errors import NoSuchError
from scheduler.domain.stores import ApiKey
from scheduler.store.database import Database
from scheduler.store.schema import api_keys
from scheduler.store.upsert import upsert

_COLUMNS = [api_keys.c[field.name] for field in fields(ApiKey)]


class Keys:
    """Implements ``KeyStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_key(self, key: ApiKey) -> None:
        """Insert or replace by id. Raises ConflictError where another id has the same hash."""
        async with self._database.write() as connection:
            await upsert(connection, api_keys, [asdict(key)])

    async def find_key(self, sha256: str) -> ApiKey | None:
        """The key with this hash, revoked ones included: the caller looks at ``revoked_at``."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(*_COLUMNS).where(api_keys.c.sha256 == sha256))).one_or_none()
        return None if row is None else ApiKey(*row)

    async def keys(self) -> Sequence[ApiKey]:
        """Oldest first."""
        statement = select(*_COLUMNS).order_by(api_keys.c.created_at, api_keys.c.id)
        async with self._database.read() as connection:
            return [ApiKey(*row) for row in await connection.execute(statement)]

    async def revoke(self, key_id: str, now: datetime) -> None:
        """End a key; a second time keeps the first instant. Raises NoSuchError."""
        ended = func.coalesce(api_keys.c.revoked_at, now)
        async with self._database.write() as connection:
            written = (await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=ended))).rowcount
        if written == 0:
            raise NoSuchError("key", key_id)
