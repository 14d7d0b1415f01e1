"""Every view draws at every width in both colour schemes without complaint."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.async_api import Page, expect

from scheduler.dashboard.page import TABS
from tests.browser.conftest import Site, photograph

Scheme = Literal["light", "dark"]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
async def test_every_view_draws_without_complaint(page: Page, site: Site, width: int, scheme: Scheme) -> None:
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 900})
    for tab in TABS:
        await page.goto(f"{site.url}/#{tab.key}")
        view = page.locator(f"#view-{tab.key} .view")
        await expect(view).not_to_be_empty()
        await expect(view.get_by_text("Reading…")).to_have_count(0)
        await expect(page.locator(".connection.live")).to_be_visible()
        await expect(page.get_by_role("complementary", name="What is real")).to_be_visible()
        overflow = await page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{tab.key} is {overflow} px wider than a screen of {width} px"
        await photograph(page, f"{tab.key}-{width}-{scheme}")
    assert site.problems == []
