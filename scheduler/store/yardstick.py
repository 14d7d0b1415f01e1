"""The plain way to store offers, kept as the peer that ``headrace bench inventory`` measures the bulk load against.

One ``executemany`` of ``INSERT ... ON CONFLICT DO UPDATE`` into a table of the same columns, in one transaction, with the same
driver. It keeps no history, counts nothing and removes nothing, so the comparison favours it.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from scheduler.domain.offer import Offer
from scheduler.store.database import parse_dsn
from scheduler.store.offer_rows import COLUMNS, row_of

_LIST = ", ".join(COLUMNS)
_MARKS = ", ".join(["%s"] * len(COLUMNS))
_TAKE = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "offer_id")
_UPSERT = f"INSERT INTO plain_offers ({_LIST}) VALUES ({_MARKS}) ON CONFLICT (offer_id) DO UPDATE SET {_TAKE}"  # noqa: S608 - constants


def upsert_plainly(dsn: str, offers: Sequence[Offer]) -> int:
    """Upsert every offer the plain way; returns the rows written."""
    url = parse_dsn(dsn).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS plain_offers AS SELECT {_LIST} FROM offers WITH NO DATA")  # noqa: S608 - constants
        connection.execute("CREATE UNIQUE INDEX IF NOT EXISTS plain_offers_id ON plain_offers (offer_id)")
        with connection.cursor() as cursor:
            cursor.executemany(_UPSERT, [row_of(offer) for offer in offers])
    return len(offers)
