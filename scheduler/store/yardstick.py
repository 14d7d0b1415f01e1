"""The plain ways to store offers and their history, kept as the peers that ``headrace bench inventory`` measures against.

Offers: one ``executemany`` of ``INSERT ... ON CONFLICT DO UPDATE`` into a table of the same columns, in one transaction, with the same
driver. It keeps no history, counts nothing and removes nothing, so the comparison favours it.
History: a row per offer and poll in a table of the same columns and index, whether anything changed or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from scheduler.domain.offer import Offer
from scheduler.store.codec import availability_code
from scheduler.store.database import parse_dsn
from scheduler.store.offer_rows import COLUMNS, row_of

_LIST = ", ".join(COLUMNS)
_MARKS = ", ".join(["%s"] * len(COLUMNS))
_TAKE = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "offer_id")
_UPSERT = f"INSERT INTO plain_offers ({_LIST}) VALUES ({_MARKS}) ON CONFLICT (offer_id) DO UPDATE SET {_TAKE}"  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class HistorySize:
    """Rows and bytes of a history, index and unused space included."""

    rows: int
    size_bytes: int


def upsert_plainly(dsn: str, offers: Sequence[Offer]) -> int:
    """Upsert every offer the plain way; returns the rows written."""
    with psycopg.connect(_url(dsn)) as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS plain_offers AS SELECT {_LIST} FROM offers WITH NO DATA")  # noqa: S608 - constants
        connection.execute("CREATE UNIQUE INDEX IF NOT EXISTS plain_offers_id ON plain_offers (offer_id)")
        with connection.cursor() as cursor:
            cursor.executemany(_UPSERT, [row_of(offer) for offer in offers])
    return len(offers)


def append_plainly(dsn: str, polls: Iterable[tuple[datetime, Sequence[Offer]]]) -> HistorySize:
    """Append every offer of every poll the plain way."""
    with psycopg.connect(_url(dsn)) as connection:
        connection.execute("CREATE TABLE plain_history AS SELECT * FROM offer_history WITH NO DATA")
        connection.execute("CREATE UNIQUE INDEX plain_history_key ON plain_history (offer_key, valid_from)")
        keys: dict[str, int] = {}
        with connection.cursor() as cursor, cursor.copy(_APPEND) as copy:
            for at, offers in polls:
                for offer in offers:
                    key = keys.setdefault(offer.id, len(keys))
                    copy.write_row((key, at, offer.price_micro_usd_per_h, availability_code(offer.availability)))
    return _size(dsn, "plain_history", "true")


def history_bytes(dsn: str, feed: str) -> HistorySize:
    """The size of a feed's history by change: its rows' share of the table."""
    return _size(dsn, "offer_history", f"offer_key IN (SELECT key FROM offers WHERE feed = '{feed}')")  # noqa: S608 - a benchmark's own feed


_APPEND = "COPY plain_history (offer_key, valid_from, price_micro_usd_per_h, availability) FROM STDIN"


def _size(dsn: str, table: str, condition: str) -> HistorySize:
    with psycopg.connect(_url(dsn), autocommit=True) as connection:
        connection.execute(f"VACUUM FULL {table}".encode())
        counted = f"SELECT count(*) FILTER (WHERE {condition}), count(*), pg_total_relation_size('{table}') FROM {table}"  # noqa: S608
        found = connection.execute(counted.encode()).fetchone()
    rows, everything, size_bytes = found or (0, 0, 0)
    return HistorySize(rows, round(size_bytes * rows / max(1, everything)))


def _url(dsn: str) -> str:
    return parse_dsn(dsn).set(drivername="postgresql").render_as_string(hide_password=False)
