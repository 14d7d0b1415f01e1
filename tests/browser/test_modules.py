"""The page's own modules, run where they live: in the browser."""

from __future__ import annotations

from playwright.async_api import Page

from tests.browser.conftest import Site


async def run(page: Page, site: Site, body: str) -> object:
    """The value of an async function body with every module at hand."""
    await page.goto(f"{site.url}/#providers")
    names = ("dom", "format", "history", "rules")
    loads = "".join(f"const {name} = await import('/static/js/{name}.js');" for name in names)
    return await page.evaluate(f"async () => {{ {loads} {body} }}")


FIGURES = {
    "perHour(0)": "$0/h",
    "perHour(0.7069)": "$0.707/h",
    "perHour(98.32)": "$98.32/h",
    "perMonth(1)": "$730/month",
    "usd(-1234.5)": "−$1,234.50",
    "usd(null)": "—",
    "percent(-0.246)": "−24.6 %",
    "duration(4200)": "4.2 s",
    "duration(185000)": "3 min 05 s",
    "duration(300000)": "5 min",
    "duration(7800000)": "2 h 10 min",
    "short(2160000)": "2.2 M",
    "plural(1, 'replica')": "1 replica",
}


async def test_figures_carry_their_unit(page: Page, site: Site) -> None:
    calls = ", ".join(f"format.{call}" for call in FIGURES)
    assert await run(page, site, f"return [{calls}];") == list(FIGURES.values())


async def test_stock_is_drawn_on_the_cloud_s_own_scale_and_unknown_is_not_zero(page: Page, site: Site) -> None:
    told = ["7 left", "0 left", "stock none", "stock high", "available", "sold out", "score 0.25", "unknown"]
    assert await run(page, site, f"return {told!r}.map(history.level);") == [7, 0, 0, 3, 1, 0, 0.25, None]


async def test_a_deployment_without_rules_says_so(page: Page, site: Site) -> None:
    none = (
        "{providers:[],regions:[],jurisdictions:[],clusters:[],accelerators:[],capacity_types:[],spot_ceiling:1,spot_loss_share:0,pins:[]}"
    )
    said = await run(page, site, f"return rules.inWords({{rules:{none}, demand:[], disruption:{{max_surge:1,max_unavailable:0}}}});")
    assert said == ["May run anywhere, on any capacity.", "While moving: 1 extra replica at most, none may be missing."]


async def test_a_redraw_keeps_elements_by_their_key_and_with_them_the_focus(page: Page, site: Site) -> None:
    kept = await run(
        page,
        site,
        """
        const host = document.body.appendChild(document.createElement("div"));
        const row = (key) => dom.h("button", { key }, key);
        dom.render(host, row("a"), row("b"), row("c"));
        const [a, , c] = host.children;
        a.focus();
        dom.render(host, row("new"), row("a"), row("c"));
        const texts = [...host.children].map((each) => each.textContent);
        return [texts, host.children[1] === a, host.children[2] === c, document.activeElement === a];
        """,
    )
    assert kept == [["new", "a", "c"], True, True, True]


async def test_an_attribute_that_is_gone_is_removed(page: Page, site: Site) -> None:
    left = await run(
        page,
        site,
        """
        const host = document.createElement("div");
        dom.render(host, dom.h("p", { title: "old", class: "x" }, "text"));
        dom.render(host, dom.h("p", { class: "y" }, "more"));
        return host.innerHTML;
        """,
    )
    assert left == '<p class="y">more</p>'
