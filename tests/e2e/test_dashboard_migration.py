"""A person watches a migration happen: the real page in a real browser over the running demo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect

from tests.browser.conftest import ARGUMENTS, CHROMIUM, photograph
from tests.e2e.clients import Fleet, asking
from tests.e2e.running import RunningDemo

pytestmark = [
    pytest.mark.timeout(420),
    pytest.mark.skipif(not CHROMIUM.exists() and not os.environ.get("CI"), reason=f"no browser at {CHROMIUM}: apt-get install chromium"),
]
MIGRATED_MS = 240_000


async def test_a_drain_clicked_on_the_page_becomes_a_migration_seen_on_the_page(demo: RunningDemo, fleet: Fleet) -> None:
    await fleet.settle(demo)
    replicas = await fleet.replicas("ready")
    cluster = next(each["cluster"] for each in replicas.values() if each["deployment"] == "batch")
    before = {move["id"] for move in await fleet.get("/v1/migrations", limit=1000)}
    problems: list[str] = []
    async with async_playwright() as playwright, asking(demo.front_door, "batch") as asker:
        browser = await playwright.chromium.launch(executable_path=Path(CHROMIUM), args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.goto(demo.control_url)
        await expect(page.locator("[data-source=simulated]")).to_contain_text("aws", timeout=30_000)
        await photograph(page, "demo-fleet")
        await page.get_by_role("button", name=f"Drain {cluster}").click()
        await page.get_by_role("dialog").get_by_role("button", name="Drain", exact=True).click()
        await page.goto(f"{demo.control_url}/#migrations")
        await page.evaluate("() => { globalThis.sameDocument = true; }")
        # What has just ended lingers in the list for some seconds; a move of this drain is one that has not.
        moving = page.get_by_role("list", name="Moves under way").locator("> li[data-move]:not([data-state=stopped])").first
        await expect(moving).to_be_visible(timeout=60_000)
        name = await moving.get_attribute("data-move")
        assert name is not None
        assert name not in before
        row = page.locator(f"[data-move={name}]")
        await photograph(page, "demo-migrating")
        await expect(row).to_have_attribute("data-state", "stopped", timeout=MIGRATED_MS)
        await photograph(page, "demo-migrated")
        assert await page.evaluate("() => globalThis.sameDocument"), "the page was reloaded"
        await browser.close()
    assert problems == []
    assert asker.failures == []
    await fleet.post(f"/v1/clusters/{cluster}/uncordon")
    await fleet.settle(demo)
