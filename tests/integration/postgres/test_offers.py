"""The inventory's offers: merged by poll, removed by scope, remembered by change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.domain.errors import ConflictError, InvalidInputError
from scheduler.domain.evidence import Exposure, LaunchRecord
from scheduler.domain.lifecycle import NodeState
from scheduler.domain.offer import Availability, Offer, Quota, QuotaUnit, Reservation, SourceKind, StockBucket
from scheduler.domain.ports import Limits, OfferPage, Quarantined
from scheduler.domain.snapshot import Freshness, ProviderStatus
from scheduler.domain.stores import ChangeSet, OfferFilter
from scheduler.store import Store
from scheduler.store.evidence import FORGOTTEN_AFTER
from tests.builders import NOW, cluster, node, offer

MINUTE = timedelta(minutes=1)


def live(**more: object) -> Offer:
    return replace(offer(**more), source_kind=SourceKind.LIVE)  # type: ignore[arg-type]


async def listed(store: Store, **query: object) -> list[Offer]:
    offers, total = await store.offers.list_offers(OfferFilter(**query))  # type: ignore[arg-type]
    assert total == len(offers)
    return list(offers)


async def poll(store: Store, minute: int, *offers: Offer, scope: str = "us-east-1", feed: str = "aws", **page: object) -> object:
    fields = {"complete": True, **page}
    return await store.offers.ingest(feed, "default", OfferPage(scope, offers, **fields), NOW + minute * MINUTE)  # type: ignore[arg-type]


async def test_an_offer_comes_back_as_it_went_in(store: Store) -> None:
    rich = replace(
        live(spot=True, quota_family="P"),
        availability=Availability.of_count(7),
        interruptions_per_h=0.05,
        notice_s=120,
        launch_s=90,
        jurisdiction="US",
        currency_note="EUR at 1.08",
        account="research",
    )
    await poll(store, 0, rich)
    assert await listed(store) == [rich]


@pytest.mark.parametrize(
    "evidence",
    [
        Availability(),
        Availability.of_count(0),
        Availability.of_bucket(StockBucket.LOW),
        Availability.of_boolean(True),
        Availability.of_score(0.25),
    ],
)
async def test_every_kind_of_availability_is_kept_apart(store: Store, evidence: Availability) -> None:
    await poll(store, 0, replace(live(), availability=evidence))
    assert [found.availability for found in await listed(store)] == [evidence]


async def test_a_poll_reports_what_it_changed(store: Store) -> None:
    first = await poll(store, 0, live(zone="a"), live(zone="b"), live(zone="c"))
    second = await poll(store, 1, live(zone="a"), live(zone="b", usd=2.0), replace(live(zone="d"), availability=Availability.of_count(1)))
    assert (first.inserted, first.unchanged) == (3, 0)  # type: ignore[attr-defined]
    assert (second.inserted, second.updated, second.unchanged, second.removed) == (1, 1, 1, 1)  # type: ignore[attr-defined]
    assert (second.price_changes, second.availability_changes) == (1, 0)  # type: ignore[attr-defined]


async def test_only_a_completely_read_scope_loses_what_was_not_seen(store: Store) -> None:
    await poll(store, 0, live(zone="a"), live(zone="b"))
    await poll(store, 1, live(zone="a"), complete=False)
    assert len(await listed(store)) == 2
    await poll(store, 2, live(zone="a"))
    assert [found.zone for found in await listed(store)] == ["a"]


async def test_removal_stays_inside_its_feed_account_and_scope(store: Store) -> None:
    east, west = live(region="us-east-1"), live(region="us-west-2")
    await poll(store, 0, east, scope="us-east-1")
    await poll(store, 0, west, scope="us-west-2")
    await poll(store, 0, live(provider="gcp"), feed="gcp")
    await store.offers.ingest("aws", "other", OfferPage("us-east-1", (replace(east, account="other"),), complete=True), NOW)
    await poll(store, 1, scope="us-east-1")
    assert sorted((found.provider, found.account, found.region) for found in await listed(store)) == [
        ("aws", "default", "us-west-2"),
        ("aws", "other", "us-east-1"),
        ("gcp", "default", "us-east-1"),
    ]


async def test_a_scope_that_broke_off_keeps_its_rows(store: Store) -> None:
    await poll(store, 0, live(zone="a"), live(zone="b"))
    await poll(store, 1, live(zone="a", usd=3.0), complete=True, error="503 half way")
    assert {found.zone: found.price_micro_usd_per_h for found in await listed(store)} == {"a": 3_000_000, "b": 1_000_000}


async def test_pages_of_one_walk_add_up(store: Store) -> None:
    await poll(store, 0, live(zone="gone"))
    await poll(store, 1, live(zone="a"), complete=False)
    await poll(store, 1, live(zone="b"), complete=True)
    assert [found.zone for found in await listed(store)] == ["a", "b"]


async def test_a_page_that_names_an_offer_twice_means_the_later_one(store: Store) -> None:
    await poll(store, 0, live(usd=1.0), live(usd=2.0))
    assert [found.price_micro_usd_per_h for found in await listed(store)] == [2_000_000]


async def test_a_late_page_of_an_older_poll_changes_nothing(store: Store) -> None:
    await poll(store, 5, live(usd=2.0))
    await poll(store, 4, live(usd=1.0))
    assert [found.price_micro_usd_per_h for found in await listed(store)] == [2_000_000]


async def test_history_has_a_row_per_change_and_none_for_a_repetition(store: Store) -> None:
    plenty = replace(live(), availability=Availability.of_count(5))
    for minute, seen in enumerate([plenty, plenty, replace(plenty, price_micro_usd_per_h=2_000_000), replace(plenty)]):
        await poll(store, minute, seen)
    points = await store.offers.history(plenty.id, NOW - MINUTE)
    assert [(point.since, point.until, point.price_micro_usd_per_h, point.availability) for point in points] == [
        (NOW, NOW + 2 * MINUTE, 1_000_000, "5 left"),
        (NOW + 2 * MINUTE, NOW + 3 * MINUTE, 2_000_000, "5 left"),
        (NOW + 3 * MINUTE, None, 1_000_000, "5 left"),
    ]
    assert [point.since for point in await store.offers.history(plenty.id, NOW + 2.5 * MINUTE)] == [NOW + 2 * MINUTE, NOW + 3 * MINUTE]


async def test_a_removed_offer_closes_its_history_and_opens_it_when_it_returns(store: Store) -> None:
    await poll(store, 0, live())
    await poll(store, 1)
    await poll(store, 2, live())
    points = await store.offers.history(live().id, NOW)
    assert [(point.since, point.until) for point in points] == [(NOW, NOW + MINUTE), (NOW + 2 * MINUTE, None)]


async def test_a_poll_that_corrects_itself_rewrites_its_own_instant(store: Store) -> None:
    await poll(store, 0, live(usd=1.0), complete=False)
    await poll(store, 0, live(usd=2.0))
    points = await store.offers.history(live().id, NOW)
    assert [(point.since, point.until, point.price_micro_usd_per_h) for point in points] == [(NOW, None, 2_000_000)]


async def test_the_market_can_be_seen_as_it_was(store: Store) -> None:
    await poll(store, 0, live(zone="a", usd=1.0), live(zone="b"))
    await poll(store, 10, live(zone="a", usd=4.0))
    then = await listed(store, at=NOW + 5 * MINUTE)
    assert [(found.zone, found.price_micro_usd_per_h, found.observed_at) for found in then] == [
        ("a", 1_000_000, NOW),
        ("b", 1_000_000, NOW),
    ]
    assert [found.price_micro_usd_per_h for found in await listed(store, at=NOW + 10 * MINUTE)] == [4_000_000]
    assert await listed(store, at=NOW - MINUTE) == []


async def test_live_rows_hide_simulated_declared_and_snapshot_rows_of_the_same_cloud_and_account(store: Store) -> None:
    kinds = (SourceKind.SNAPSHOT, SourceKind.DECLARED, SourceKind.SIMULATED, SourceKind.LIVE)
    for kind in kinds:
        await poll(store, 0, replace(live(zone=kind.value), source_kind=kind), feed=f"feed-{kind}")
        assert [found.zone for found in await listed(store)] == [kind.value]
    await poll(store, 0, replace(live(zone="z"), source_kind=SourceKind.SNAPSHOT, account="other"), feed="bundled")
    assert [found.account for found in await listed(store)] == ["default", "other"]


async def test_a_cloud_read_natively_and_through_an_aggregator_is_not_counted_twice(store: Store) -> None:
    through = live(provider="lambda", zone="seen-by-shadeform")
    await poll(store, 0, through, feed="shadeform")
    await poll(store, 0, replace(through, zone="seen-by-prime"), feed="prime")
    assert [found.zone for found in await listed(store)] == ["seen-by-prime"]
    await poll(store, 0, replace(through, zone="native"), feed="lambda")
    assert [found.zone for found in await listed(store)] == ["native"]


async def test_offers_are_filtered_sorted_and_paged(store: Store) -> None:
    h100 = live(zone="h", accelerator="H100-80GB-SXM", count=8, usd=80)
    l4 = live(zone="l", accelerator="L4-24GB-PCIe", usd=1)
    a10 = live(zone="a", accelerator="A10-24GB-PCIe", usd=2, spot=True)
    await poll(store, 0, h100, l4, a10)
    assert await listed(store, sort="gpu_price", descending=True) == [h100, a10, l4]
    assert await listed(store, accelerator="H100-80GB-SXM") == [h100]
    assert await listed(store, capacity_type="spot", region="us-east-1", provider="aws") == [a10]
    assert await listed(store, text="h100") == [h100]
    assert await listed(store, text="100%") == []
    page, total = await store.offers.list_offers(OfferFilter(limit=1, offset=1))
    assert (list(page), total) == ([a10], 3)
    assert await store.offers.list_offers(OfferFilter(offset=9)) == ([], 3)
    with pytest.raises(InvalidInputError, match="Use one of: price"):
        await store.offers.list_offers(OfferFilter(sort="beauty"))


async def test_a_row_the_schema_refuses_fails_the_page_and_changes_nothing(store: Store) -> None:
    with pytest.raises(ConflictError, match="not_negative"):
        await poll(store, 0, live(zone="a"), replace(live(zone="b"), price_micro_usd_per_h=-1))
    assert await listed(store) == []


async def test_quarantined_rows_can_be_read_until_a_complete_walk_no_longer_shows_them(store: Store) -> None:
    bad = Quarantined("us-east-1", "p5.48xlarge", "price is NaN", "price\0: NaN" + "x" * 600)
    await poll(store, 0, quarantined=(bad,))
    (problem,) = await store.offers.problems(10)
    assert (problem.feed, problem.quarantined.row, problem.at) == ("aws", "p5.48xlarge", NOW)
    assert len(problem.quarantined.raw) == 500
    await poll(store, 1, quarantined=(replace(bad, reason="price is missing"),))
    assert [problem.quarantined.reason for problem in await store.offers.problems(10)] == ["price is missing"]
    await poll(store, 2)
    assert await store.offers.problems(10) == []


async def test_old_history_is_rolled_up_by_the_day_and_the_same_day_may_come_in_parts(store: Store) -> None:
    day = 24 * 60
    prices = {0: 1.0, 6 * 60: 3.0, day: 2.0, 3 * day: 4.0}  # minutes after NOW, which is noon
    for minute, usd in prices.items():
        await poll(store, minute, live(zone="a", usd=usd))
    key = live(zone="a").id
    exact = await store.offers.history(key, NOW)
    assert await store.offers.roll_up(NOW + 7 * 60 * MINUTE) == 1
    assert await store.offers.roll_up(NOW + 2 * day * MINUTE) == 1
    first, second, *rest = await store.offers.history(key, NOW)
    assert rest == exact[2:]
    assert (first.since.date(), first.price_micro_usd_per_h) == (NOW.date(), 2_000_000)  # 6 h at 1 USD, 6 h at 3 USD
    assert (second.since.date(), second.price_micro_usd_per_h) == (NOW.date() + 24 * 60 * MINUTE, 3_000_000)
    assert first.availability == "that day $1.00 to $3.00, 2 changes"


async def test_status_is_kept_per_provider_and_account(store: Store) -> None:
    good = ProviderStatus("aws", "default", "live", Freshness.FRESH, 300, 10, last_success_at=NOW, failed_scopes=("us-west-2",))
    await store.offers.put_status(good)
    await store.offers.put_status(replace(good, account="other"))
    await store.offers.put_status(replace(good, offers=11))
    assert await store.offers.statuses() == [replace(good, offers=11), replace(good, account="other")]


async def test_limits_of_all_feeds_are_read_together_and_replaced_by_feed(store: Store) -> None:
    quota = Quota("aws", "default", "us-east-1", "P", QuotaUnit.VCPU, 192, (live().capacity_type,), NOW)
    held = Reservation("r", "gcp", "default", "us-central1", "a", "a3", 4, 10, NOW, ends_at=NOW)
    await store.offers.put_limits("aws", "default", Limits((replace(quota, limit=1),)))
    await store.offers.put_limits("aws", "default", Limits((quota,)))
    await store.offers.put_limits("gcp", "default", Limits((), (held,)))
    assert await store.evidence.limits() == Limits((quota,), (held,))


async def test_launch_records_are_kept_while_they_say_something(store: Store) -> None:
    older = LaunchRecord("offer:o1", NOW, strikes=1, until=NOW + MINUTE, cause="sold out")
    newer = replace(older, strikes=2, refused=(("o2", NOW),))
    worked = LaunchRecord("offer:o2", NOW, successes=3)
    await store.evidence.put_records([older, worked])
    await store.evidence.put_records([newer])
    assert await store.evidence.records(NOW) == {"offer:o1": newer, "offer:o2": worked}
    assert await store.evidence.records(NOW + MINUTE) == {"offer:o1": newer}
    await store.evidence.put_records([LaunchRecord("offer:o3", NOW + FORGOTTEN_AFTER + 2 * MINUTE)])
    assert (await store.evidence.records(NOW)).keys() == {"offer:o3"}


async def test_nodes_tell_how_long_they_ran_and_how_often_they_were_taken_back(store: Store) -> None:
    await store.fleet.put_clusters([cluster()])
    epoch = await store.leases.acquire_leadership("test", NOW, 60)
    assert epoch is not None
    spot = live()
    hour = 60 * MINUTE
    ran = replace(
        node("n1", spot, cluster().id), ready_at=NOW - 3 * hour, ended_at=NOW - hour, state=NodeState.TERMINATED, interrupted=True
    )
    runs = replace(node("n2", spot, cluster().id), ready_at=NOW - 10 * hour)
    never = replace(node("n3", spot, cluster().id), ready_at=None)
    await store.fleet.commit(ChangeSet(clusters=(cluster(),), nodes=(ran, runs, never)), epoch)
    seen = await store.evidence.exposures(NOW - 4 * hour, NOW)
    assert seen == {spot.id: Exposure(2.0 + 4.0, 1)}


@pytest.mark.bench
async def test_a_hundred_thousand_offers_merge_at_thirty_thousand_rows_a_second(store: Store) -> None:
    import time

    offers = [live(zone=f"z{number}", usd=1 + number % 7) for number in range(100_000)]
    rates = []
    for minute in range(4):
        begun = time.perf_counter()
        await poll(store, minute, *offers)
        rates.append(len(offers) / (time.perf_counter() - begun))
    print("rows/s by poll:", [round(rate) for rate in rates])
    assert max(rates[1:]) >= 30_000
