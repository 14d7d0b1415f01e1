"""One running demo for all tests of this folder: raising a fleet takes longer than asking it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.clients import Fleet
from tests.e2e.running import RunningDemo

READY_S = 200.0


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A demo with its fleet up and no load. At the end it is interrupted, and must leave neither a process nor a folder."""
    running = RunningDemo(Path(tmp_path_factory.mktemp("demo")), "--idle")
    try:
        running.wait_for("stays up until Ctrl-C", READY_S)
        yield running
        family, folders = running.family(), running.folders()
        running.interrupt()
        assert running.wait_gone(family, folders) == 0
    finally:
        running.discard()


@pytest.fixture
async def fleet(demo: RunningDemo) -> AsyncIterator[Fleet]:
    """The API of the demo's control plane."""
    opened = Fleet(demo.control_url)
    yield opened
    await opened.close()
