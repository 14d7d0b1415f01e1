"""Fixtures that every test may ask for: a real Postgres, one server per run, one database per test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from scheduler.store import Store, open_store
from scheduler.store.embedded import EmbeddedPostgres
from scheduler.store.migrate import upgrade
from scheduler.store.postmaster import PORT, SUPERUSER

# Where a change is judged the same examples are tried each time; on a developer's machine new ones, which find what those miss.
settings.register_profile("judged", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("judged")

TEMPLATE = "template_migrated"
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Settings of a server whose data nobody needs tomorrow."""

MACHINE = ("tests/e2e/", "tests/integration/ray/", "tests/browser/", "tests/contract/providers/test_proofs.py")
GIVING_WAY = 10

RESEARCH = "research data"
"""Part of the reason of a skip that CI excuses."""

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


class MachineFirst(LoadScopeScheduling):
    """Tests that need the machine run one after the other, on one worker; files of the others beside them."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "machine" if needs_the_machine(path) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> MachineFirst:
    """Instead of one of xdist's own."""
    return MachineFirst(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that need the machine come first; of them, those that ask the common demo late, since it stays up from then on, and
    proofs, which fill the memory, last."""
    items.sort(key=lambda item: (not needs_the_machine(item.nodeid), "proofs" in item.nodeid, "demo" in getattr(item, "fixturenames", ())))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A worker gives way, for good, once it runs tests that only compute: engines and browsers beside it keep their time."""
    if "PYTEST_XDIST_WORKER" in os.environ and not needs_the_machine(item.nodeid) and os.nice(0) < GIVING_WAY:
        os.nice(GIVING_WAY)


def needs_the_machine(nodeid: str) -> bool:
    """Whether a test raises engines or a browser, on fixed loopback addresses, or loads every vendor's SDK."""
    return nodeid.startswith(MACHINE)


def skipped(reporter: pytest.TerminalReporter) -> list[pytest.TestReport]:
    """Parts that should have run: all skipped ones but those that compare with research data, which no checkout holds."""
    reports = reporter.stats.get("skipped", [])
    return [report for report in reports if RESEARCH not in str(report.longrepr)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI a skipped part is a failure: say which."""
    if os.environ.get("CI") and skipped(terminalreporter):
        terminalreporter.section("skipped parts are failures in CI", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """See above; the exit status tells it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and skipped(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
