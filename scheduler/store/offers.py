"""Offers, their history, how well each provider is read, and the rows that could not be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from scheduler.domain.offer import Offer
from scheduler.domain.ports import Limits, OfferPage, Quarantined
from scheduler.domain.snapshot import ProviderStatus
from scheduler.domain.stores import HistoryPoint, IngestReport, OfferFilter, Problem
from scheduler.domain.units import usd_text
from scheduler.store.codec import availability_value
from scheduler.store.database import Database
from scheduler.store.offer_list import OfferList
from scheduler.store.offer_merge import lock_feed, merge_offers, remove_untouched
from scheduler.store.schema import offer_days, offer_history, offer_problems, offers, provider_limits, provider_statuses
from scheduler.store.upsert import upsert

_RAW_MAX = 500

# An interval over several days becomes a piece in each; a day may get its pieces in several runs.
_ROLL_UP = """
INSERT INTO offer_days AS d (offer_key, day, seconds, low_micro_usd_per_h, high_micro_usd_per_h, micro_usd_per_h_seconds, changes)
SELECT offer_key, (day AT TIME ZONE 'UTC')::date, sum(held), min(price), max(price), sum(price * held), sum(opened)
FROM (
    SELECT h.offer_key, day, h.price_micro_usd_per_h AS price, (h.valid_from >= day)::int AS opened,
           extract(epoch FROM least(h.valid_to, day + interval '1 day') - greatest(h.valid_from, day)) AS held
    FROM offer_history h,
         generate_series(date_trunc('day', h.valid_from, 'UTC'), h.valid_to - interval '1 microsecond', interval '1 day') AS day
    WHERE h.valid_to < :before
) AS pieces
GROUP BY 1, 2
ON CONFLICT (offer_key, day) DO UPDATE SET
    seconds = d.seconds + excluded.seconds,
    low_micro_usd_per_h = least(d.low_micro_usd_per_h, excluded.low_micro_usd_per_h),
    high_micro_usd_per_h = greatest(d.high_micro_usd_per_h, excluded.high_micro_usd_per_h),
    micro_usd_per_h_seconds = d.micro_usd_per_h_seconds + excluded.micro_usd_per_h_seconds,
    changes = d.changes + excluded.changes
"""


class Offers:
    """Implements ``OfferStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._list = OfferList()

    async def ingest(self, feed: str, account: str, page: OfferPage, poll_started_at: datetime) -> IngestReport:
        """Merge a page in one transaction.

        A removed offer keeps its row for the history. Where the scope broke off, its rows are marked stale and those that this
        page still brought are fresh again. A page of a poll older than what is stored changes nothing.
        """
        owner = {"feed": feed, "account": account, "scope": page.scope}
        async with self._database.write() as connection:
            await lock_feed(connection, feed, account)
            if page.error:
                await connection.execute(update(offers).where(_in_scope(owner), offers.c.seen_at <= poll_started_at).values(stale=True))
            report = await merge_offers(connection, page.offers, poll_started_at, owner)
            await _keep_problems(connection, page.quarantined, poll_started_at, owner)
            if page.complete and not page.error:
                removed = await remove_untouched(connection, poll_started_at, owner)
                await _forget_problems(connection, poll_started_at, owner)
                report = replace(report, removed=removed)
        return report

    async def list_offers(self, query: OfferFilter) -> tuple[Sequence[Offer], int]:
        """One page of offers and the total count.

        Per cloud and account only the most trusted rows are shown: live, else simulated, else declared, else snapshot; among
        equals the cloud's own feed, else the first aggregator by name, so that nothing is counted twice. With ``at``, prices
        and availability are those that held then, and ``observed_at`` tells since when.

        Raises:
            InvalidInputError: the sort order is unknown.
        """
        async with self._database.read() as connection:
            return await self._list.read(connection, query)

    async def history(self, offer_id: str, since: datetime) -> Sequence[HistoryPoint]:
        """What held after ``since``, oldest first; the first point may have begun before it. Follows the most trusted feed.

        What is old is told by the day: the price is that day's mean over time.
        """
        best = select(offers.c.key).where(offers.c.offer_id == offer_id).order_by(offers.c.removed_at.desc().nulls_first())
        best = best.order_by(offers.c.trust.desc(), offers.c.observed_at.desc(), offers.c.key).limit(1)
        exact = (
            select(offer_history)
            .where(offer_history.c.offer_key == best.scalar_subquery())
            .where(offer_history.c.valid_to.is_(None) | (offer_history.c.valid_to > since))
            .order_by(offer_history.c.valid_from)
        )
        daily = (
            select(offer_days)
            .where(offer_days.c.offer_key == best.scalar_subquery(), offer_days.c.day >= since.date())
            .order_by(offer_days.c.day)
        )
        async with self._database.read() as connection:
            days, rows = (await connection.execute(daily)).all(), (await connection.execute(exact)).all()
        return [_day_point(row) for row in days] + [
            HistoryPoint(row.valid_from, row.valid_to, row.price_micro_usd_per_h, availability_value(row.availability).text())
            for row in rows
        ]

    async def put_status(self, status: ProviderStatus) -> None:
        async with self._database.write() as connection:
            await upsert(connection, provider_statuses, [{"provider": status.provider, "account": status.account, "body": status}])

    async def statuses(self) -> Sequence[ProviderStatus]:
        statement = select(provider_statuses.c.body).order_by(provider_statuses.c.provider, provider_statuses.c.account)
        async with self._database.read() as connection:
            return (await connection.execute(statement)).scalars().all()

    async def put_limits(self, feed: str, account: str, limits: Limits) -> None:
        """Replace the quotas and reservations that this feed reported before."""
        async with self._database.write() as connection:
            await upsert(connection, provider_limits, [{"feed": feed, "account": account, "body": limits}])

    async def problems(self, limit: int) -> Sequence[Problem]:
        """Quarantined rows, newest first."""
        statement = select(offer_problems).order_by(offer_problems.c.at.desc(), *offer_problems.primary_key).limit(limit)
        async with self._database.read() as connection:
            rows = (await connection.execute(statement)).all()
        return [Problem(row.feed, row.feed_account, Quarantined(row.scope, row.row, row.reason, row.raw), row.at) for row in rows]

    async def roll_up(self, before: datetime) -> int:
        """Turn history that ended before an instant into one row per offer and day; removed offers keep their days."""
        async with self._database.write() as connection:
            await connection.execute(text(_ROLL_UP), {"before": before})
            return (await connection.execute(delete(offer_history).where(offer_history.c.valid_to < before))).rowcount


def _day_point(row: Row[*tuple[Any, ...]]) -> HistoryPoint:
    start = datetime.combine(row.day, time(), UTC)
    spread = f"{usd_text(row.low_micro_usd_per_h)} to {usd_text(row.high_micro_usd_per_h)}"
    mean = round(row.micro_usd_per_h_seconds / row.seconds)
    return HistoryPoint(start, start + timedelta(days=1), mean, f"that day {spread}, {row.changes} changes")


def _in_scope(owner: dict[str, str]) -> ColumnElement[bool]:
    return and_(
        offers.c.feed == owner["feed"],
        offers.c.feed_account == owner["account"],
        offers.c.scope == owner["scope"],
        offers.c.removed_at.is_(None),
    )


async def _keep_problems(connection: AsyncConnection, quarantined: Sequence[Quarantined], at: datetime, owner: dict[str, str]) -> None:
    rows = {
        (entry.scope, entry.row): {
            "feed": owner["feed"],
            "feed_account": owner["account"],
            "scope": entry.scope,
            "row": _storable(entry.row),
            "reason": _storable(entry.reason),
            "raw": _storable(entry.raw),
            "at": at,
        }
        for entry in quarantined
    }
    await upsert(connection, offer_problems, list(rows.values()))


def _storable(untrusted: str) -> str:
    """Text that came broken off the wire, as Postgres takes it: without NUL bytes and lone surrogates, and cut."""
    return untrusted.replace("\0", "").encode("utf-8", "replace").decode()[:_RAW_MAX]


async def _forget_problems(connection: AsyncConnection, at: datetime, owner: dict[str, str]) -> None:
    table = offer_problems.c
    await connection.execute(
        delete(offer_problems).where(
            table.feed == owner["feed"], table.feed_account == owner["account"], table.scope == owner["scope"], table.at < at
        )
    )
