"""Polling a provider: what is kept, what is marked, what is told, and when it is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from scheduler.domain.errors import AuthError, ProviderDataError, QuotaExceededError, RateLimitedError, TransientError
from scheduler.domain.events import EventKind
from scheduler.domain.offer import Offer, Quota, QuotaUnit, SourceKind
from scheduler.domain.ports import Capabilities, Limits, OfferPage, Provider, Quarantined
from scheduler.domain.snapshot import Freshness, ProviderStatus
from scheduler.domain.stores import OfferFilter
from scheduler.inventory.collect import BACKOFF_MAX_S, Collector
from scheduler.inventory.poll import PollOutcome
from scheduler.store import Store
from tests.builders import NOW, offer

EAST = OfferPage("us-east-1", (replace(offer(), source_kind=SourceKind.LIVE),), complete=True)
WEST = OfferPage("us-west-2", (replace(offer(region="us-west-2"), source_kind=SourceKind.LIVE),), complete=True)
QUOTA = Quota("aws", "default", "us-east-1", "P", QuotaUnit.VCPU, 192, (offer().capacity_type,), NOW)

Walk = Sequence[OfferPage | Exception]


class Cloud:
    """A cloud that answers each walk with the next script; the last one repeats."""

    def __init__(self, *walks: Walk) -> None:
        self.walks = list(walks)
        self.walked = 0
        self.limits: Limits | Exception = Limits((QUOTA,))

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        script = self.walks[min(self.walked, len(self.walks) - 1)]
        self.walked += 1
        for step in script:
            if isinstance(step, Exception):
                raise step
            yield step

    async def read_limits(self) -> Limits:
        if isinstance(self.limits, Exception):
            raise self.limits
        return self.limits


class Ticking:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def collector(store: Store, cloud: Cloud, target_s: int = 300) -> Collector:
    provider = Provider("aws", "default", "AWS", Capabilities(freshness_target_s=target_s), cloud, limits=cloud)
    return Collector(provider, store.offers, store.events, Ticking(), jitter=random.Random(7))


async def status(store: Store) -> ProviderStatus:
    (found,) = await store.offers.statuses()
    return found


async def offered(store: Store) -> list[Offer]:
    return list((await store.offers.list_offers(OfferFilter(sort="region")))[0])


async def told(store: Store, kind: EventKind) -> list[str]:
    return [event.message for _, event in await store.events.latest(20, [kind])]


async def test_a_complete_walk_is_fresh_and_told(store: Store) -> None:
    report = await collector(store, Cloud([EAST, WEST])).poll()
    assert (report.outcome, report.offers, report.changes.inserted) == (PollOutcome.COMPLETE, 2, 2)
    known = await status(store)
    assert (known.freshness, known.offers, known.source_kind, known.last_success_at) == (Freshness.FRESH, 2, "live", report.ended_at)
    assert await told(store, EventKind.PROVIDER_POLLED) == ["aws: 2 offers read, complete"]
    assert await told(store, EventKind.PROVIDER_PROBLEM) == []
    assert await store.evidence.limits() == Limits((QUOTA,))


async def test_a_region_that_fails_keeps_its_rows_while_the_others_are_renewed(store: Store) -> None:
    cheaper = replace(EAST, offers=(replace(EAST.offers[0], price_micro_usd_per_h=1),))
    reader = collector(store, Cloud([EAST, WEST], [cheaper, OfferPage("us-west-2", error="503")]))
    await reader.poll()
    report = await reader.poll()
    assert (report.outcome, report.failed_scopes, report.error) == (PollOutcome.PARTIAL, ("us-west-2",), "503")
    assert [found.price_micro_usd_per_h for found in await offered(store)] == [1, 1_000_000]
    assert (await status(store)).freshness is Freshness.STALE


@pytest.mark.parametrize(
    "error",
    [TransientError("aws", "timed out"), ProviderDataError("aws", "truncated JSON"), RateLimitedError("aws", "slow down"), KeyError("x")],
)
async def test_a_walk_that_breaks_off_removes_nothing_and_names_every_unread_scope(store: Store, error: Exception) -> None:
    reader = collector(store, Cloud([EAST, WEST], [OfferPage("us-east-1"), error]))
    await reader.poll()
    report = await reader.poll()
    assert (report.outcome, report.failed_scopes) == (PollOutcome.FAILED, ("us-east-1", "us-west-2"))
    assert len(await offered(store)) == 2
    known = await status(store)
    assert (known.freshness, known.offers, known.stopped) == (Freshness.STALE, 2, "")
    assert known.last_success_at is not None


async def test_a_scope_completed_before_the_walk_broke_off_stays_completed(store: Store) -> None:
    reader = collector(store, Cloud([EAST, WEST], [replace(EAST, offers=()), TransientError("aws", "timed out")]))
    await reader.poll()
    report = await reader.poll()
    assert (report.outcome, report.failed_scopes) == (PollOutcome.PARTIAL, ("us-west-2",))
    assert [found.region for found in await offered(store)] == ["us-west-2"]


async def test_a_provider_that_was_never_read_is_never_not_stale(store: Store) -> None:
    await collector(store, Cloud([TransientError("aws", "timed out")])).poll()
    assert (await status(store)).freshness is Freshness.NEVER


async def test_the_same_problem_is_told_once(store: Store) -> None:
    reader = collector(
        store, Cloud([TransientError("aws", "timed out")], [TransientError("aws", "timed out")], [EAST], [AuthError("aws", "denied")])
    )
    for _ in range(4):
        await reader.poll()
    assert await told(store, EventKind.PROVIDER_PROBLEM) == ["aws: denied. It is stopped until its credentials work.", "aws: timed out"]


async def test_quarantined_rows_are_counted_and_kept_for_reading(store: Store) -> None:
    bad = Quarantined("us-east-1", "p5.48xlarge", "price is NaN")
    report = await collector(store, Cloud([replace(EAST, quarantined=(bad,))])).poll()
    assert (report.quarantined, report.outcome) == (1, PollOutcome.COMPLETE)
    assert [problem.quarantined for problem in await store.offers.problems(5)] == [bad]


async def test_limits_that_cannot_be_read_do_not_spoil_the_offers(store: Store) -> None:
    cloud = Cloud([EAST])
    reader = collector(store, cloud)
    await reader.poll()
    cloud.limits = QuotaExceededError("aws", "ask later")
    report = await reader.poll()
    assert (report.outcome, report.error) == (PollOutcome.COMPLETE, "limits were not read: aws: ask later")
    assert (await status(store)).freshness is Freshness.FRESH
    assert await store.evidence.limits() == Limits((QUOTA,))


async def test_wrong_credentials_stop_the_provider_and_say_so(store: Store) -> None:
    cloud = Cloud([AuthError("aws", "the key was revoked")])
    async with asyncio.timeout(10):
        await collector(store, cloud).run(asyncio.Event())
    assert cloud.walked == 1
    assert (await status(store)).stopped == "aws: the key was revoked"


class Pauses(asyncio.Event):
    """A stop signal that notes how long it is waited for, and is given after so many pauses."""

    def __init__(self, until: int, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._until = until
        monkeypatch.setattr(asyncio, "wait_for", self._wait_for)

    async def _wait_for(self, waiting: object, timeout: float) -> None:
        waiting.close()  # type: ignore[attr-defined]
        self.seconds.append(timeout)
        if len(self.seconds) == self._until:
            self.set()


async def test_it_polls_at_half_the_freshness_target_give_or_take(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses(4, monkeypatch)
    await collector(store, Cloud([EAST]), target_s=300).run(pauses)
    assert all(135 <= seconds <= 165 for seconds in pauses.seconds)
    assert len(set(pauses.seconds)) == 4


async def test_failures_are_retried_soon_then_ever_more_slowly(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses(10, monkeypatch)
    failing = [[TransientError("aws", "timed out")]] * 9
    await collector(store, Cloud(*failing, [EAST]), target_s=300).run(pauses)
    nominal = [5, 10, 20, 40, 80, 160, 320, BACKOFF_MAX_S, BACKOFF_MAX_S, 150]
    assert [pytest.approx(seconds, rel=0.1) for seconds in nominal] == pauses.seconds


async def test_a_rate_limit_is_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses(1, monkeypatch)
    await collector(store, Cloud([RateLimitedError("aws", "slow down", retry_after_s=1234.0)])).run(pauses)
    assert pauses.seconds == [1234.0]


async def test_a_set_stop_signal_ends_it_between_polls(store: Store) -> None:
    cloud, stop = Cloud([EAST]), asyncio.Event()
    running = asyncio.create_task(collector(store, cloud).run(stop))
    assert await store.events.wait(0, 10)
    stop.set()
    async with asyncio.timeout(5):
        await running
    assert cloud.walked == 1
