"""The way to the database: the given server, or the embedded one of this data folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

from scheduler.bootstrap.settings import Settings
from scheduler.store import Store, StoreUnavailableError, open_store
from scheduler.store.embedded import EmbeddedPostgres

STORE_PATIENCE_S = 30.0


def socket_dir(data_dir: Path) -> Path:
    """A short path for the embedded server's socket, one per data folder and user."""
    name = hashlib.sha256(str(data_dir.absolute()).encode()).hexdigest()[:10]
    return Path("/tmp") / f"headrace-{os.getuid()}-{name}"  # noqa: S108 (created 0700 and checked by the launcher)


def embedded_postgres(settings: Settings) -> EmbeddedPostgres:
    """The embedded server of this data folder."""
    return EmbeddedPostgres(settings.data_dir / "postgres", socket_dir(settings.data_dir))


async def connect(settings: Settings) -> tuple[Store, EmbeddedPostgres | None]:
    """Open the store: the given server, or the embedded one (started if it does not run). Waits while Postgres starts."""
    postgres = None
    dsn = settings.database_url
    if not dsn:
        postgres = embedded_postgres(settings)
        await asyncio.to_thread(postgres.start)
        dsn = postgres.dsn
    waited = 0.0
    while True:
        try:
            return await open_store(dsn), postgres
        except StoreUnavailableError:
            if waited >= STORE_PATIENCE_S:
                raise
            await asyncio.sleep(0.5)
            waited += 0.5
