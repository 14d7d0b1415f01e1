"""Reads one provider into the store, again and again, and says how well that goes.

Knows the provider and store ports and the remedies that the error classes imply. Must not know which cloud it is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import fields
from datetime import datetime

import structlog
from prometheus_client import Counter, Gauge, Histogram

from scheduler.domain.errors import HeadraceError, ProviderError
from scheduler.domain.events import Event, EventKind
from scheduler.domain.ports import Clock, OfferPage, Provider
from scheduler.domain.snapshot import Freshness, ProviderStatus
from scheduler.domain.stores import EventLog, OfferStore
from scheduler.inventory.poll import PollOutcome, PollReport, Walk, error_text

BACKOFF_MIN_S = 5.0
BACKOFF_MAX_S = 600.0
JITTER = 0.1
"""Share by which a pause is longer or shorter, so that providers don't poll in step."""

_POLLS = Counter("headrace_provider_polls", "Polls of a provider by outcome", ["provider", "account", "outcome"])
_SECONDS = Histogram(
    "headrace_provider_poll_seconds", "Duration of a poll", ["provider", "account"], buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
)
_OFFERS = Gauge("headrace_provider_offers", "Offers seen by the last poll", ["provider", "account"])

_log = structlog.get_logger(__name__)


class Collector:
    """Polls one provider. One per configured account, only in the leader.

    Args:
        jitter: a seeded generator; spreads the polls of several providers.
    """

    def __init__(self, provider: Provider, offers: OfferStore, events: EventLog, clock: Clock, *, jitter: random.Random) -> None:
        self._provider = provider
        self._offers = offers
        self._events = events
        self._clock = clock
        self._jitter = jitter
        self._scopes: set[str] = set()
        self._status: ProviderStatus | None = None

    async def poll(self) -> PollReport:
        """Walk all offers and read the limits once.

        A provider's error ends the walk, not the poll: what was read stays, what was not keeps its old rows, marked stale. Errors
        of the store are raised.
        """
        started_at = self._clock()
        walk = Walk()
        await self._walk_offers(walk, started_at)
        await self._mark_unread_scopes(walk, started_at)
        if not walk.stopped:
            await self._read_limits(walk)
        report = self._report(walk, started_at)
        await self._publish(report, walk)
        return report

    async def run(self, stop: asyncio.Event) -> None:
        """Poll at half the freshness target until ``stop`` is set, or until the credentials turn out to be wrong."""
        failures = 0
        while not stop.is_set():
            retry_after_s = 0.0
            try:
                report = await self.poll()
            except HeadraceError as error:
                failures += 1
                _log.warning("poll_not_stored", provider=self._provider.name, account=self._provider.account, error=str(error))
            else:
                if report.outcome is PollOutcome.STOPPED:
                    return
                failures = failures + 1 if report.outcome is PollOutcome.FAILED else 0
                retry_after_s = report.retry_after_s
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(retry_after_s, self._pause_s(failures)))

    def _pause_s(self, failures: int) -> float:
        """Half the freshness target; after failures 5 s, doubling, up to 10 minutes or the usual pause if that is longer."""
        usual_s = self._provider.capabilities.freshness_target_s / 2
        pause_s = usual_s if failures == 0 else min(BACKOFF_MIN_S * 2 ** min(failures - 1, 16), max(BACKOFF_MAX_S, usual_s))
        return pause_s * self._jitter.uniform(1 - JITTER, 1 + JITTER)

    async def _walk_offers(self, walk: Walk, started_at: datetime) -> None:
        pages = self._provider.offers.read_offers()
        while True:
            try:
                page = await anext(pages)
            except StopAsyncIteration:
                return
            except Exception as error:
                self._note_bug(error)
                walk.note_error(error)
                return
            report = await self._offers.ingest(self._provider.name, self._provider.account, page, started_at)
            walk.note(page, report)

    def _note_bug(self, error: Exception) -> None:
        """An adapter's bug is that provider's failure, not the control plane's; the trace goes to the log."""
        if not isinstance(error, ProviderError):
            _log.error("adapter_crashed", provider=self._provider.name, account=self._provider.account, exc_info=error)

    async def _mark_unread_scopes(self, walk: Walk, started_at: datetime) -> None:
        """Tell the store about the scopes that a broken walk left unread; those of earlier polls are remembered."""
        self._scopes |= walk.seen
        if not walk.error:
            self._scopes = walk.seen
            return
        for scope in sorted(self._scopes - walk.completed - walk.failed.keys()):
            page = OfferPage(scope, error=walk.error)
            await self._offers.ingest(self._provider.name, self._provider.account, page, started_at)
            walk.failed[scope] = walk.error

    async def _read_limits(self, walk: Walk) -> None:
        """Quotas and reservations; a failure keeps the old ones and is told, but does not spoil the offers."""
        if self._provider.limits is None:
            return
        try:
            limits = await self._provider.limits.read_limits()
        except Exception as error:
            self._note_bug(error)
            walk.limits_error = f"limits were not read: {error_text(error)}"
            return
        await self._offers.put_limits(self._provider.name, self._provider.account, limits)

    def _report(self, walk: Walk, started_at: datetime) -> PollReport:
        return PollReport(
            provider=self._provider.name,
            account=self._provider.account,
            started_at=started_at,
            ended_at=self._clock(),
            outcome=walk.outcome,
            offers=walk.offers,
            quarantined=walk.quarantined,
            failed_scopes=tuple(sorted(walk.failed)),
            changes=walk.changes,
            error=walk.error or next(iter(walk.failed.values()), "") or walk.limits_error,
            retry_after_s=walk.retry_after_s,
        )

    async def _publish(self, report: PollReport, walk: Walk) -> None:
        before = self._status or await self._stored_status()
        self._status = self._next_status(report, walk, before)
        await self._offers.put_status(self._status)
        await self._events.append(list(self._events_of(report, before)))
        labels = (report.provider, report.account)
        duration_s = (report.ended_at - report.started_at).total_seconds()
        _POLLS.labels(*labels, report.outcome.value).inc()
        _SECONDS.labels(*labels).observe(duration_s)
        _OFFERS.labels(*labels).set(report.offers)
        log = _log.warning if report.error else _log.info
        log(
            "provider_polled",
            provider=report.provider,
            account=report.account,
            outcome=report.outcome.value,
            offers=report.offers,
            inserted=report.changes.inserted,
            removed=report.changes.removed,
            price_changes=report.changes.price_changes,
            availability_changes=report.changes.availability_changes,
            quarantined=report.quarantined,
            failed_scopes=report.failed_scopes,
            error=report.error,
            duration_s=round(duration_s, 3),
        )

    async def _stored_status(self) -> ProviderStatus | None:
        mine = (self._provider.name, self._provider.account)
        return next((status for status in await self._offers.statuses() if (status.provider, status.account) == mine), None)

    def _next_status(self, report: PollReport, walk: Walk, before: ProviderStatus | None) -> ProviderStatus:
        good = report.outcome is PollOutcome.COMPLETE
        last_success_at = report.ended_at if good else (before.last_success_at if before else None)
        never = last_success_at is None and not walk.completed
        return ProviderStatus(
            provider=report.provider,
            account=report.account,
            source_kind=walk.source_kind or (before.source_kind if before else ""),
            freshness=Freshness.FRESH if good else Freshness.NEVER if never else Freshness.STALE,
            target_s=self._provider.capabilities.freshness_target_s,
            offers=report.offers if good or before is None else max(report.offers, before.offers),
            last_success_at=last_success_at,
            last_error=report.error,
            failed_scopes=report.failed_scopes,
            quarantined=report.quarantined,
            stopped=walk.stopped,
            proved=self._provider.proof.text if self._provider.proof else "",
        )

    def _events_of(self, report: PollReport, before: ProviderStatus | None) -> Iterable[Event]:
        """The poll, and a problem when it is new: the same trouble every minute is one event."""
        subject = f"{report.provider}/{report.account}"
        changes = {entry.name: getattr(report.changes, entry.name) for entry in fields(report.changes)}
        message = f"{report.provider}: {report.offers} offers read, {report.outcome.value}"
        yield Event(EventKind.PROVIDER_POLLED, report.ended_at, subject, message, {"outcome": report.outcome.value, **changes})
        if report.error and (before is None or before.last_error != report.error):
            advice = ". It is stopped until its credentials work." if report.outcome is PollOutcome.STOPPED else ""
            yield Event(EventKind.PROVIDER_PROBLEM, report.ended_at, subject, report.error + advice, {"outcome": report.outcome.value})
