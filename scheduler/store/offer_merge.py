"""Bulk load of one page of offers: COPY into a temporary table, MERGE from there, history only where something changed.

Everything happens in the caller's transaction, under one lock per feed. Needs Postgres 15 or newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from scheduler.domain.errors import HeadraceError
from scheduler.domain.offer import Offer
from scheduler.domain.stores import IngestReport
from scheduler.store.offer_rows import ATTRIBUTES, COLUMNS, EVIDENCE, row_of

_BULK = 5000
"""From this many rows on, the table is read once and hashed: a planner with statistics from before the load would loop."""

_LIST = ", ".join(COLUMNS)
_ROW_IS = "o.feed = :feed AND o.feed_account = :account AND o.offer_id = s.offer_id"

# Temporary tables live as long as their pooled connection and are emptied by every commit: no catalogue churn per page.
_STAGE = (
    f"CREATE TEMP TABLE IF NOT EXISTS staged_offers ON COMMIT DELETE ROWS AS SELECT {_LIST} FROM offers WITH NO DATA",  # noqa: S608
    "CREATE TEMP TABLE IF NOT EXISTS changed_offers (offer_id text, key bigint, arrived boolean, price boolean, availability boolean)"
    " ON COMMIT DELETE ROWS",
    "TRUNCATE staged_offers, changed_offers",
)
_COPY = f"COPY staged_offers ({_LIST}) FROM STDIN"

# What differs from the table as it is, before MERGE makes them equal. A page of an older poll changes nothing.
_COMPARE = f"""
INSERT INTO changed_offers
SELECT s.offer_id, o.key,
       o.key IS NULL OR o.removed_at IS NOT NULL,
       coalesce(o.price_micro_usd_per_h <> s.price_micro_usd_per_h, false),
       coalesce(o.availability <> s.availability, false)
FROM staged_offers s LEFT JOIN offers o ON {_ROW_IS}
WHERE o.key IS NULL OR (o.seen_at <= :at AND (
    o.removed_at IS NOT NULL
    OR ({", ".join(f"o.{name}" for name in (*EVIDENCE, *ATTRIBUTES))})
       IS DISTINCT FROM ({", ".join(f"s.{name}" for name in (*EVIDENCE, *ATTRIBUTES))})))
"""  # noqa: S608 - built from constants

_COUNT = """
SELECT count(*) FILTER (WHERE arrived) AS inserted,
       count(*) FILTER (WHERE NOT arrived) AS updated,
       count(*) FILTER (WHERE NOT arrived AND price) AS price_changes,
       count(*) FILTER (WHERE NOT arrived AND availability) AS availability_changes
FROM changed_offers
"""

_MERGE = f"""
MERGE INTO offers o USING staged_offers s ON {_ROW_IS}
WHEN MATCHED AND o.seen_at <= :at THEN UPDATE SET
    {", ".join(f"{name} = s.{name}" for name in COLUMNS if name != "offer_id")},
    scope = :scope, seen_at = :at, stale = false, removed_at = NULL
WHEN NOT MATCHED THEN INSERT (feed, feed_account, scope, seen_at, {_LIST})
    VALUES (:feed, :account, :scope, :at, {", ".join(f"s.{name}" for name in COLUMNS)})
"""  # noqa: S608 - built from constants

# The same poll may correct itself: what opened at this very instant is rewritten, not closed, since an empty interval held never.
_REWRITE = """
UPDATE offer_history h SET price_micro_usd_per_h = s.price_micro_usd_per_h, availability = s.availability
FROM changed_offers c JOIN staged_offers s USING (offer_id)
WHERE h.offer_key = c.key AND h.valid_to IS NULL AND h.valid_from >= :at
"""
_CLOSE = """
UPDATE offer_history h SET valid_to = :at
FROM changed_offers c
WHERE h.offer_key = c.key AND h.valid_to IS NULL AND h.valid_from < :at AND (c.price OR c.availability)
"""
_OPEN = f"""
INSERT INTO offer_history (offer_key, valid_from, price_micro_usd_per_h, availability)
SELECT o.key, :at, s.price_micro_usd_per_h, s.availability
FROM changed_offers c JOIN staged_offers s USING (offer_id) JOIN offers o ON {_ROW_IS}
WHERE (c.arrived OR c.price OR c.availability)
  AND NOT EXISTS (SELECT FROM offer_history h WHERE h.offer_key = o.key AND h.valid_to IS NULL)
"""  # noqa: S608 - built from constants

_REMOVE = """
WITH gone AS (
    UPDATE offers SET removed_at = :at
    WHERE feed = :feed AND feed_account = :account AND scope = :scope AND removed_at IS NULL AND seen_at < :at
    RETURNING key
), closed AS (
    UPDATE offer_history h SET valid_to = :at FROM gone WHERE h.offer_key = gone.key AND h.valid_to IS NULL
)
SELECT count(*) FROM gone
"""


async def lock_feed(connection: AsyncConnection, feed: str, account: str) -> None:
    """One writer per feed and account until the transaction ends."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"offers/{feed}/{account}"})


async def merge_offers(connection: AsyncConnection, offers: Iterable[Offer], at: datetime, owner: Mapping[str, str]) -> IngestReport:
    """Merge offers into one scope of a feed and keep their history.

    Args:
        at: start of the poll; also the instant at which changes count as having happened.
        owner: ``feed``, ``account`` and ``scope``.
    """
    latest = {offer.id: offer for offer in offers}  # a feed that lists an offer twice means the later one
    if not latest:
        return IngestReport()
    await _stage(connection, map(row_of, latest.values()))
    parameters: dict[str, Any] = {**owner, "at": at}
    keyed = {name: parameters[name] for name in ("feed", "account", "at")}
    await _loops(connection, allowed=len(latest) < _BULK)
    await connection.execute(text(_COMPARE), keyed)
    await connection.execute(text("ANALYZE changed_offers"))
    counts = (await connection.execute(text(_COUNT))).one()
    if counts.inserted or counts.updated:
        await connection.execute(text(_REWRITE), {"at": at})
        await connection.execute(text(_CLOSE), {"at": at})
    await connection.execute(text(_MERGE), parameters)
    await _loops(connection, allowed=True)
    if counts.inserted >= _BULK:
        await connection.execute(text("ANALYZE offers (feed, feed_account, offer_id, scope, provider, account, region)"))
    if counts.inserted or counts.price_changes or counts.availability_changes:
        await connection.execute(text(_OPEN), keyed)
    return IngestReport(
        inserted=counts.inserted,
        updated=counts.updated,
        unchanged=len(latest) - counts.inserted - counts.updated,
        price_changes=counts.price_changes,
        availability_changes=counts.availability_changes,
    )


async def remove_untouched(connection: AsyncConnection, at: datetime, owner: Mapping[str, str]) -> int:
    """Take out the offers of a completely read scope that the poll did not see; their history ends at ``at``."""
    return int((await connection.execute(text(_REMOVE), {**owner, "at": at})).scalar_one())


async def _loops(connection: AsyncConnection, *, allowed: bool) -> None:
    await connection.execute(text(f"SET LOCAL enable_nestloop = {'on' if allowed else 'off'}"))


async def _stage(connection: AsyncConnection, rows: Iterable[tuple[Any, ...]]) -> None:
    for statement in _STAGE:
        await connection.execute(text(statement))
    driver = (await connection.get_raw_connection()).driver_connection
    if not isinstance(driver, psycopg.AsyncConnection):
        raise HeadraceError(f"COPY needs a psycopg connection, this is {type(driver).__name__}")
    async with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            await copy.write_row(row)
    await connection.execute(text("ANALYZE staged_offers (offer_id)"))
