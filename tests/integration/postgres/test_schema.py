"""The schema that migrations build is the one the code declares, down to every CHECK and partial index."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from scheduler.domain.errors import ConflictError, InvalidInputError
from scheduler.domain.stores import ApiKey
from scheduler.store import SchemaMismatchError, Store, StoreUnavailableError, open_store
from scheduler.store.binaries import find_binaries
from scheduler.store.database import parse_dsn
from scheduler.store.embedded import EmbeddedPostgres
from scheduler.store.migrate import current, head, script_location, upgrade
from scheduler.store.schema import metadata
from tests.builders import NOW
from tests.conftest import execute


def dump(dsn: str) -> str:
    """The schema as Postgres itself writes it, without Alembic's own table and the dump's random marks."""
    address = dsn.replace("+psycopg", "")
    arguments = [str(find_binaries(os.environ).directory / "pg_dump"), "-s", "--no-owner", "-T", "alembic_version", "-d", address]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", printed, flags=re.MULTILINE)


@pytest.fixture
def empty_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database without a schema."""
    execute(postgres, "CREATE DATABASE without_schema")
    yield postgres.dsn_of("without_schema")
    execute(postgres, "DROP DATABASE without_schema WITH (FORCE)")


def test_migrated_and_declared_schemas_are_the_same(dsn: str, empty_dsn: str) -> None:
    engine = create_engine(empty_dsn)
    metadata.create_all(engine)
    engine.dispose()
    assert dump(dsn) == dump(empty_dsn)


def test_every_migration_can_be_undone(dsn: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(script_location()))
    engine = create_engine(dsn)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        left = connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"))
        assert left.scalar_one() == 0
    engine.dispose()
    upgrade(dsn)
    assert current(dsn) == head()


def test_processes_that_migrate_at_once_migrate_once(empty_dsn: str) -> None:
    assert current(empty_dsn) is None
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: upgrade(empty_dsn), range(4)))
    assert current(empty_dsn) == head()


def test_a_database_of_a_newer_version_is_refused(dsn: str) -> None:
    engine = create_engine(dsn)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(SchemaMismatchError, match="Run the version that migrated it"):
        upgrade(dsn)


@pytest.mark.parametrize("written", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_a_database_url_is_taken_as_people_write_it(written: str) -> None:
    assert parse_dsn(written).drivername == "postgresql+psycopg"


@pytest.mark.parametrize("written", ["mysql://user:hunter2@h/d", "hunter2"])
def test_a_wrong_database_url_is_refused_without_showing_it(written: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_dsn(written)
    assert "hunter2" not in str(caught.value)
    assert "postgresql://user" in str(caught.value)


async def test_an_absent_server_is_unavailable_and_its_password_untold() -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        await open_store("postgresql://user:hunter2@127.0.0.1:1/none")
    assert "hunter2" not in str(caught.value)


async def test_the_schema_refuses_what_no_code_should_write(store: Store) -> None:
    with pytest.raises(ConflictError, match="ck_api_keys_role_known"):
        await store.keys.put_key(ApiKey("k", "root", "", "0" * 64, NOW))
