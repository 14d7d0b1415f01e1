"""What the page does when something is missing: a key, the stream, the control plane, or anything to show."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from scheduler.api.auth import new_key
from scheduler.api.services import ApiSettings
from scheduler.domain.lifecycle import MoveState
from scheduler.store import Store
from tests.browser.conftest import Site
from tests.browser.world import DUBLIN, World
from tests.builders import NOW


class TestWithAKey:
    """Where the API asks for a key, so does the page: once, and only this browser tab remembers."""

    @pytest.fixture
    def settings(self) -> ApiSettings:
        return ApiSettings(open_on_loopback=False)

    async def test_the_page_asks_once_and_follows_the_stream_with_the_key(self, page: Page, site: Site, world: World) -> None:
        secret, key = new_key("viewer", "", NOW)
        await world.store.keys.put_key(key)
        await page.goto(site.url)
        question = page.get_by_role("dialog", name="API key")
        await question.get_by_label("Key").fill("wrong")
        await question.get_by_role("button", name="Use this key").click()
        await expect(question).to_contain_text("Unknown or revoked API key")
        await question.get_by_label("Key").fill(secret)
        await question.get_by_role("button", name="Use this key").click()
        await expect(page.get_by_role("article", name=f"Cluster {DUBLIN.id}")).to_be_visible()
        await expect(page.locator(".connection.live")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("article", name=f"Cluster {DUBLIN.id}")).to_be_visible()
        await expect(question).to_be_hidden()
        # A viewer's key may not drain, and the page says so.
        await page.get_by_role("button", name="Drain azure-dublin").click()
        await page.get_by_role("dialog", name="Drain azure-dublin?").get_by_role("button", name="Drain", exact=True).click()
        await expect(page.get_by_role("alert")).to_contain_text("use an operator key")
        assert [problem for problem in site.problems if "401" not in problem and "403" not in problem] == []


async def test_without_the_stream_the_page_polls_and_says_so(page: Page, site: Site, world: World) -> None:
    await page.route("**/v1/events/stream", lambda route: route.abort())
    await page.goto(f"{site.url}/#migrations")
    await expect(page.locator(".connection.polling")).to_be_visible()
    await world.advance("m2", MoveState.WARMING, site.now())
    await expect(page.locator("[data-move=p2-m2]")).to_have_attribute("data-state", "warming")
    await expect(page.get_by_role("log")).to_contain_text("migrate p2-m2 is warming")


async def test_when_the_control_plane_is_gone_the_page_says_so_and_keeps_what_it_knew(page: Page, site: Site) -> None:
    await page.goto(site.url)
    await expect(page.get_by_role("article", name="Cluster aws-virginia")).to_be_visible()
    await page.route("**/v1/**", lambda route: route.abort())
    await expect(page.get_by_role("alert")).to_contain_text("The control plane does not answer.")
    await expect(page.get_by_role("article", name="Cluster aws-virginia")).to_be_visible()


class TestAnEmptyFleet:
    """A fresh installation says what to do next on every page."""

    @pytest.fixture
    def world(self, store: Store) -> World:
        return World(store, epoch=0)

    async def test_every_view_says_what_to_do(self, page: Page, site: Site) -> None:
        for tab, hint in (
            ("fleet", "headrace apply"),
            ("deployments", "headrace plan"),
            ("offers", "headrace providers"),
            ("plan", "A preview shows"),
            ("migrations", "headrace drain"),
            ("margin", "first paid node"),
            ("providers", "headrace serve --config FILE"),
        ):
            await page.goto(f"{site.url}/#{tab}")
            await expect(page.locator(f"#view-{tab} .empty")).to_contain_text(hint)
        assert site.problems == []
