"""Schema work from the command line."""

from __future__ import annotations

from scheduler.bootstrap.connect import embedded_postgres
from scheduler.bootstrap.settings import Settings
from scheduler.store.migrate import current, upgrade


def upgrade_database(settings: Settings, revision: str) -> str:
    """Migrate the given server, or the embedded one (started for the while where it does not run). Returns the revision."""
    if settings.database_url:
        upgrade(settings.database_url, revision)
        return str(current(settings.database_url))
    with embedded_postgres(settings) as postgres:
        upgrade(postgres.dsn, revision)
        return str(current(postgres.dsn))
