"""Fixtures that every test may ask for: a real Postgres, one server per run, one database per test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from scheduler.store import Store, open_store
from scheduler.store.embedded import EmbeddedPostgres
from scheduler.store.migrate import upgrade
from scheduler.store.postmaster import PORT, SUPERUSER

TEMPLATE = "template_migrated"
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Settings of a server whose data nobody needs tomorrow."""

_numbers = count(1)


@pytest.fixture(scope="session")
def short_dir() -> Iterator[Path]:
    """A folder with a path short enough for a Unix socket; pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(short_dir: Path) -> Iterator[EmbeddedPostgres]:
    """The run's server, with a migrated database that tests clone."""
    with EmbeddedPostgres(short_dir / "data", short_dir / "s", settings=FAST, die_with_parent=True) as server:
        execute(server, f"CREATE DATABASE {TEMPLATE}")
        upgrade(server.dsn_of(TEMPLATE))
        yield server


@pytest.fixture
def dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    name = f"test_{next(_numbers)}"
    execute(postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    yield postgres.dsn_of(name)
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[Store]:
    """All repositories over this test's database."""
    opened = await open_store(dsn, migrate=False)
    yield opened
    await opened.close()


def execute(server: EmbeddedPostgres, statement: str) -> None:
    """Run one statement outside a transaction on the server's maintenance database."""
    socket_dir = server.dsn.partition("host=")[2].partition("&")[0]
    with psycopg.connect(host=socket_dir, port=PORT, user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI a skipped part is a failure: say which."""
    if os.environ.get("CI") and terminalreporter.stats.get("skipped"):
        terminalreporter.section("skipped parts are failures in CI", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """See above; the exit status tells it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
