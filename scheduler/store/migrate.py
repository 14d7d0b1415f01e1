"""Brings a database to the schema of this version.

Knows Alembic and where the migrations live: beside the package in a checkout, inside it in an installed wheel.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from scheduler.store.database import parse_dsn, store_errors
from scheduler.store.errors import SchemaMismatchError

_LOCK = 0x6865616472616365  # "headrace": one migration at a time, whoever starts it


def script_location() -> Path:
    """Folder of the migrations."""
    installed = Path(__file__).parent / "migrations"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "migrations"


def upgrade(dsn: str, revision: str = "head") -> None:
    """Migrate to ``revision``. Safe to run from several processes at once, and a no-op when there is nothing to do.

    Raises:
        SchemaMismatchError: the database has a revision that this version does not know.
        StoreUnavailableError: Postgres does not answer.
    """
    config = _config()
    engine = create_engine(parse_dsn(dsn), poolclass=NullPool)
    with store_errors(), engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise SchemaMismatchError(
                f"the database's schema and this version of headrace don't fit ({error}). Run the version that migrated it, or a newer one."
            ) from error
        # the lock ends with the connection


def current(dsn: str) -> str | None:
    """The revision the database is at, None where it was never migrated.

    Raises:
        StoreUnavailableError: Postgres does not answer.
    """
    engine = create_engine(parse_dsn(dsn), poolclass=NullPool)
    with store_errors(), engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The newest revision this version knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    # percent signs are interpolation marks to the option parser
    config.set_main_option("script_location", str(script_location()).replace("%", "%%"))
    return config
