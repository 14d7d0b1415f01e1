"""What people see and do: the page follows the store without a reload, and its buttons change the store."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.async_api import Page, expect

from scheduler.domain.lifecycle import MoveState, PlanState, Schedulability
from tests.browser.conftest import Site, photograph
from tests.browser.world import AWS_H100, AWS_SPOT, World


async def test_the_fleet_shows_clouds_clusters_nodes_and_replicas_with_their_cost(page: Page, site: Site) -> None:
    await page.goto(site.url)
    virginia = page.get_by_role("article", name="Cluster aws-virginia")
    await expect(virginia).to_contain_text("2 ready replicas · 18 in flight · $1.127/h")
    await expect(virginia.get_by_role("row", name="n-p1-2")).to_contain_text("interrupted")
    await expect(virginia.locator("[data-replica=chat-p1-1]")).to_contain_text("100 % · 14 in flight")
    await expect(page.get_by_role("region", name="Cloud gcp").get_by_role("heading", level=2)).to_contain_text("$0.990/h")
    assert site.problems == []


async def test_the_banner_says_what_is_simulated_and_of_which_day_a_price_list_is(page: Page, site: Site) -> None:
    await page.goto(site.url)
    await expect(page.locator("[data-source=simulated]")).to_contain_text("aws, gcp")
    await expect(page.locator("[data-source=snapshot]")).to_contain_text("azure of 9 Jun 2026")


async def test_the_providers_say_how_fresh_and_how_proved_they_are_and_what_is_wrong(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/#providers")
    feeds = page.get_by_role("region", name="Feeds")
    gcp, broken, stopped = (feeds.locator(f"[data-feed={name}]") for name in ("gcp", "lambda", "verda"))
    await expect(gcp).to_contain_text(re.compile(r"fresh\d+ s / 5 min"))
    await expect(gcp).to_contain_text("sdk-triangulated with google-cloud-compute 1.57.0, 24 faults held, 2026-11-20")
    await expect(broken).to_contain_text(re.compile(r"stale2 h( \d\d min)? / 5 min"))
    await expect(broken).to_contain_text("not proved")
    await expect(broken).to_contain_text("Last error: HTTP 503 from /instance-types")
    await expect(stopped).to_contain_text("never read / 2 min")
    await expect(stopped).to_contain_text("Stopped until someone acts: verda: sign-in: HTTP 401: invalid client")
    await expect(page.locator("[data-quarantined='x1.broken']").first).to_contain_text("price is negative")
    held = page.get_by_role("region", name="Held back").locator("tbody tr")
    await expect(held).to_have_count(1)
    await expect(held).to_contain_text(AWS_H100.id)
    await expect(held).to_contain_text(re.compile(r"\d\d:\d\d:\d\d.*launch refused 1 in a row"))
    assert site.problems == []


async def test_a_move_progresses_on_the_page_as_it_is_committed(page: Page, site: Site, world: World) -> None:
    await page.goto(f"{site.url}/#migrations")
    move = page.locator("[data-move=p2-m2]")
    await expect(move).to_contain_text("aws-virginia → gcp-iowa")
    await expect(page.locator(".connection.live")).to_be_visible()
    await page.evaluate("() => { globalThis.sameDocument = true; }")
    times: dict[MoveState, dict[str, object]] = {
        MoveState.SHIFTING: {"shifted_at": site.now(), "in_flight_at_shift": 14},
        MoveState.STOPPED: {"ended_at": site.now()},
    }
    for state in (MoveState.WARMING, MoveState.READY, MoveState.SHIFTING, MoveState.DRAINING, MoveState.STOPPED):
        await world.advance("m2", state, site.now(), **times.get(state, {}))
        await expect(move).to_have_attribute("data-state", state.value)
        await expect(page.get_by_role("log")).to_contain_text(f"migrate p2-m2 is {state.value}")
        if state is MoveState.SHIFTING:
            await expect(move.locator("[aria-current=step]")).to_have_text("shifting")
            await expect(move).to_contain_text("14 in flight when traffic shifted")
            await photograph(page, "move-shifting")
    assert await page.evaluate("() => globalThis.sameDocument")
    assert site.problems == []


async def test_a_move_against_a_deadline_counts_down_and_comes_first(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/#migrations")
    first = page.get_by_role("list", name="Moves under way").locator("> li").first
    await expect(first).to_have_attribute("data-move", "p2-m1")
    await expect(first.get_by_role("timer")).to_contain_text("until the cloud takes it")


async def test_a_failed_move_says_at_which_step_and_why(page: Page, site: Site, world: World) -> None:
    await page.goto(f"{site.url}/#migrations")
    move = page.locator("[data-move=p2-m2]")
    await expect(move).to_have_attribute("data-state", "starting")
    await world.advance("m2", MoveState.FAILED, site.now(), error="not ready in time (still starting)", ended_at=site.now())
    await expect(move.get_by_role("list", name="failed at starting")).to_be_visible()
    await expect(move).to_contain_text("not ready in time (still starting)")
    await photograph(page, "move-failed")


async def test_the_drain_button_asks_first_and_then_drains(page: Page, site: Site, world: World) -> None:
    await page.goto(site.url)
    await page.get_by_role("button", name="Drain aws-virginia").click()
    await photograph(page, "drain-question")
    await page.get_by_role("button", name="Cancel").click()
    assert await _schedulability(world, "aws-virginia") is Schedulability.OPEN

    await page.get_by_role("button", name="Drain aws-virginia").click()
    await page.get_by_role("dialog", name="Drain aws-virginia?").get_by_role("button", name="Drain", exact=True).click()
    await expect(page.locator("[data-cluster=aws-virginia] [data-schedulability=draining]")).to_be_visible()
    assert await _schedulability(world, "aws-virginia") is Schedulability.DRAINING
    await page.get_by_role("button", name="Open aws-virginia").click()
    await page.get_by_role("button", name="Open", exact=True).click()
    await expect(page.locator("[data-cluster=aws-virginia] [data-schedulability=open]")).to_be_visible()
    assert site.problems == []


async def _schedulability(world: World, cluster: str) -> Schedulability:
    fleet = await world.store.fleet.fleet()
    return next(each.schedulability for each in fleet.clusters if each.id == cluster)


async def test_why_there_shows_the_chosen_the_rejected_and_what_would_change_it(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/#deployments")
    chat = page.get_by_role("article", name="Deployment chat")
    await expect(chat).to_contain_text("After losing any one provider, 100 % of every origin's demand is still served.")
    await chat.get_by_role("button", name="Why is chat there?").click()
    dialog = page.get_by_role("dialog", name="Why chat is where it is")
    await expect(dialog.get_by_role("heading", name=re.compile("Not chosen: "))).to_be_visible()
    await expect(dialog.locator(".reasons .badge").first).to_have_text("chosen")
    await expect(dialog).to_contain_text("gap")
    await expect(dialog.get_by_role("columnheader", name="What would change it").first).to_be_visible()
    await photograph(page, "explain")
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    assert site.problems == []


async def test_offers_are_filtered_sorted_and_paged_by_the_server(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/#offers")
    counter = page.locator("#offers-count")
    await expect(counter).to_have_text("1 to 50 of 67 offers")
    await page.get_by_role("button", name="Next").click()
    await expect(counter).to_have_text("51 to 67 of 67 offers")
    await page.get_by_role("button", name=re.compile("Sort by Price, whole")).click()
    await page.get_by_role("button", name="Sort by Price, whole, sorted ascending").click()
    await expect(page.locator("[data-offer]").first).to_contain_text("8 × H100-80GB-SXM")
    await page.get_by_label("Capacity").select_option("spot")
    await expect(counter).to_have_text("1 to 2 of 2 offers")
    await page.get_by_label("Search").fill("us-east-1a")
    await expect(counter).to_have_text("1 to 1 of 1 offers")
    await page.get_by_label("Search").fill("no such thing")
    await expect(page.get_by_text("No offer matches.")).to_be_visible()
    assert site.problems == []


async def test_an_offer_opens_its_price_and_stock_history(page: Page, site: Site) -> None:
    await page.goto(f"{site.url}/#offers")
    await page.get_by_role("button", name=f"History of {AWS_SPOT.id}").click()
    dialog = page.get_by_role("dialog", name=AWS_SPOT.instance_type.name)
    await expect(dialog.locator("#chart-price canvas")).to_be_visible()
    await expect(dialog.locator("#chart-stock canvas")).to_be_visible()
    await expect(dialog.get_by_role("region", name="Changes, newest first")).to_contain_text("$0.4217/h")
    await photograph(page, "history")
    await dialog.get_by_role("button", name="6 hours").click()
    await expect(dialog.locator("tbody tr")).to_have_count(3)
    assert site.problems == []


async def test_a_proposed_plan_is_rejected_only_after_a_question(page: Page, site: Site, world: World) -> None:
    await page.goto(f"{site.url}/#plan")
    plan = page.get_by_role("article", name="Plan p3")
    await expect(plan).to_contain_text("$310/month")
    await plan.get_by_role("button", name="Reject").click()
    await page.get_by_role("dialog", name="Reject p3?").get_by_role("button", name="Reject").click()
    await expect(plan.locator("header .badge")).to_have_text("rejected")
    assert (await world.store.plans.plan("p3")).state is PlanState.REJECTED


async def test_a_preview_is_solved_shown_and_can_be_applied(page: Page, site: Site, world: World) -> None:
    await page.goto(f"{site.url}/#plan")
    await page.get_by_role("button", name="Preview a plan now").click()
    plan = page.locator("article.plan:has(header:has-text('woken by preview'))")
    await expect(plan).to_contain_text("Gap to proven bound")
    await photograph(page, "preview")
    name = await plan.get_attribute("data-plan")
    assert name is not None
    await plan.get_by_role("button", name="Apply").click()
    await page.get_by_role("dialog", name=f"Apply {name}?").get_by_role("button", name="Apply").click()
    await expect(plan.locator("header .badge")).to_have_text("applying")
    assert (await world.store.plans.plan(name)).state is PlanState.APPLYING
    assert site.problems == []


async def test_what_the_api_refuses_is_shown_in_its_words(page: Page, site: Site, world: World) -> None:
    await page.goto(f"{site.url}/#plan")
    plan = page.get_by_role("article", name="Plan p3")
    await plan.get_by_role("button", name="Reject").click()
    # Someone else decides while the question is open.
    await world.store.plans.decide("p3", PlanState.APPLYING, "someone")
    await page.get_by_role("dialog", name="Reject p3?").get_by_role("button", name="Reject").click()
    await expect(page.get_by_role("alert")).to_contain_text("p3")
    assert [problem for problem in site.problems if "409" not in problem] == []


async def test_events_of_a_stranger_are_text_and_never_markup(page: Page, site: Site, world: World) -> None:
    await page.goto(f"{site.url}/#migrations")
    await expect(page.locator("[data-move=p2-m2]")).to_be_visible()
    hostile = "<img src=x onerror=alert(1)><script>document.title='owned'</script>"
    await world.advance("m2", MoveState.FAILED, site.now(), error=hostile, ended_at=site.now() - timedelta(minutes=1))
    await expect(page.locator("[data-move=p2-m2]")).to_contain_text(hostile)
    assert await page.locator("main img, main script").count() == 0
    assert site.problems == []
