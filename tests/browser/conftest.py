"""A real browser on the real application: API and dashboard on uvicorn over a real Postgres."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import ConsoleMessage, Page, async_playwright

from scheduler.api.app import create_app
from scheduler.api.services import ApiSettings, Services
from scheduler.dashboard import mount
from scheduler.domain.fleet import Cluster
from scheduler.domain.snapshot import Snapshot
from scheduler.inventory.assemble import Sources, assemble
from scheduler.store import Store
from tests.browser.world import World, build
from tests.builders import NOW

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
PATIENCE_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser there is nothing to test; on CI that is an error, not a reason to skip."""
    if CHROMIUM.exists() or os.environ.get("CI"):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=f"no browser at {CHROMIUM}: apt-get install chromium, or set CHROMIUM"))


@dataclass
class Site:
    """The running application.

    Attributes:
        problems: what the browser complained about; a test ends with none.
    """

    url: str
    started: float
    problems: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        """The site's clock: it starts at the builders' NOW and runs on."""
        return NOW + timedelta(seconds=time.monotonic() - self.started)


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A loopback socket on a free port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        yield bound


@pytest.fixture
async def world(store: Store) -> World:
    return await build(store)


@pytest.fixture
def settings() -> ApiSettings:
    """Open on loopback; tests of keys override it."""
    return ApiSettings(front_door="http://127.0.0.1:8080/v1")


@pytest.fixture
async def site(world: World, settings: ApiSettings) -> AsyncIterator[Site]:
    with listening() as bound:
        found = Site(f"http://127.0.0.1:{bound.getsockname()[1]}", time.monotonic())
        sources = Sources(world.store.offers, world.store.evidence, world.store.workload, world.store.fleet)

        async def snapshot(now: datetime, joining: Sequence[Cluster] = ()) -> Snapshot:
            return await assemble(sources, now, joining=joining)

        app = create_app(Services(world.store, snapshot, found.now, lambda: world.epoch, settings))
        mount(app)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        running = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            yield found
        finally:
            server.should_exit = True
            await running


@pytest.fixture
async def page(site: Site) -> AsyncIterator[Page]:
    """A page at 1280 px that records every console error, failed request and uncaught exception."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        opened = await browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(PATIENCE_MS)

        def said(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                site.problems.append(message.text)

        opened.on("console", said)
        opened.on("pageerror", lambda error: site.problems.append(str(error)))
        yield opened
        await browser.close()


async def photograph(page: Page, name: str) -> None:
    """Keep a picture where HEADRACE_SCREENSHOTS names a folder."""
    folder = os.environ.get("HEADRACE_SCREENSHOTS")
    if folder:
        in_dialog = await page.locator("dialog[open]").count() > 0
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=not in_dialog)
