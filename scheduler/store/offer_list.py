"""Reads offers, a page or a whole market: what differs comes row by row, what many have in common once per process.

A market of fifty thousand offers is fetched in columns that a driver reads fast, and filled into objects column by column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Select, Subquery, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from scheduler.domain.errors import HeadraceError, InvalidInputError
from scheduler.domain.offer import Offer
from scheduler.domain.stores import OfferFilter
from scheduler.store.offer_rows import COLUMNS, OWN, SHARED, offers_of, shape_of, uncollected
from scheduler.store.schema import offer_history, offers

SHAPES_MAX = 500_000
_OWNER = ("provider", "account", "trust", "feed", "feed_account")
_READ = (*COLUMNS, "key", "shape", "feed", "feed_account", "trust")
_OWNED = ", ".join(_OWNER)

_ROOM = "SET LOCAL work_mem = '32MB'"
"""So that a whole market is joined and sorted in memory."""

# From owner to owner along the index, without reading the rows between. Those of removed offers count: they held once.
_RIVALS = f"""
WITH RECURSIVE owner AS (
    (SELECT {_OWNED} FROM offers ORDER BY {_OWNED} LIMIT 1)
    UNION ALL
    SELECT following.* FROM owner, LATERAL (
        SELECT {_OWNED} FROM offers
        WHERE ({_OWNED}) > ({", ".join(f"owner.{name}" for name in _OWNER)}) ORDER BY {_OWNED} LIMIT 1
    ) AS following
)
SELECT EXISTS (SELECT FROM owner GROUP BY provider, account HAVING count(*) > 1)
"""  # noqa: S608 - built from constants

_SHAPES = f"""
SELECT found.* FROM unnest(%(wanted)s::bigint[]) AS wanted (shape),
    LATERAL (SELECT shape, {", ".join(SHARED)} FROM offers WHERE offers.shape = wanted.shape LIMIT 1) AS found
"""  # noqa: S608 - built from constants


class OfferList:
    """Reads offers; remembers what offers of one shape have in common, since a shape's number never gets another meaning."""

    def __init__(self) -> None:
        self._shapes: dict[int, Offer] = {}

    async def read(self, connection: AsyncConnection, query: OfferFilter) -> tuple[Sequence[Offer], int]:
        """One page of offers and the total count; see ``OfferStore.list_offers``."""
        source = _current() if query.at is None else _as_of(query.at)
        order = _order(source, query.sort)
        shown = _matches(source, query)
        if (await connection.execute(text(_RIVALS))).scalar_one():
            shown.append(tuple_(*(source.c[name] for name in _OWNER)).in_(_most_trusted(source, query.provider)))
        page = (
            select(*(source.c[name] for name in OWN))
            .where(*shown)
            .order_by(order.desc() if query.descending else order.asc(), source.c.key)
            .limit(query.limit)
            .offset(query.offset)
        )
        await connection.execute(text(_ROOM))
        rows = await _fetched(connection, *_written(connection, page))
        found = offers_of(rows, await self._described(connection, rows))
        if len(rows) < query.limit and (rows or not query.offset):
            return found, query.offset + len(rows)
        return found, (await connection.execute(select(func.count()).select_from(source).where(*shown))).scalar_one()

    async def _described(self, connection: AsyncConnection, rows: Iterable[Sequence[Any]]) -> dict[int, Offer]:
        missing = {row[-1] for row in rows} - self._shapes.keys()
        if missing:
            if len(self._shapes) > SHAPES_MAX:
                self._shapes = {}
                missing = {row[-1] for row in rows}
            described = await _fetched(connection, _SHAPES, {"wanted": list(missing)})
            self._shapes |= {row[0]: shape_of(row[1:]) for row in described}
        return self._shapes


def _written(connection: AsyncConnection, statement: Select[Any]) -> tuple[str, dict[str, Any]]:
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    return compiled.string, dict(compiled.params)


async def _fetched(connection: AsyncConnection, statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows as the driver reads them, in binary: for tens of thousands the layers above cost more than Postgres."""
    driver = (await connection.get_raw_connection()).driver_connection
    if not isinstance(driver, psycopg.AsyncConnection):
        raise HeadraceError(f"offers are read through psycopg, this is {type(driver).__name__}")
    try:
        async with driver.cursor(binary=True) as cursor:
            await cursor.execute(statement.encode(), parameters)
            with uncollected():
                return await cursor.fetchall()
    except psycopg.DataError as error:
        remedy = "Send plain text without NUL."
        raise InvalidInputError("input", "...", f"the database cannot take it: {error}", remedy) from error


def _current() -> Subquery:
    columns = [offers.c[name] for name in _READ]
    return select(*columns).where(offers.c.removed_at.is_(None)).subquery("o")


def _as_of(at: datetime) -> Subquery:
    held = offer_history.c
    then: dict[str, Any] = {
        "price_micro_usd_per_h": held.price_micro_usd_per_h,
        "availability": held.availability,
        "observed_at": held.valid_from.label("observed_at"),
    }
    columns = [then.get(name, offers.c[name]) for name in _READ]
    joined = select(*columns).join(offer_history, held.offer_key == offers.c.key)
    return joined.where(held.valid_from <= at, held.valid_to.is_(None) | (held.valid_to > at)).subquery("o")


def _most_trusted(source: Subquery, provider: str) -> Select[*tuple[Any, ...]]:
    """One feed and kind of source per cloud and account; of one cloud where it is named."""
    rivals = select(*(source.c[name] for name in _OWNER)).distinct()
    rival = (rivals.where(source.c.provider == provider) if provider else rivals).subquery("rival")
    columns = [rival.c[name] for name in _OWNER]
    ranked = (rival.c.provider, rival.c.account, rival.c.trust.desc(), rival.c.feed, rival.c.feed_account)
    return select(*columns).ext(distinct_on(rival.c.provider, rival.c.account)).order_by(*ranked)


def _matches(source: Subquery, query: OfferFilter) -> list[ColumnElement[bool]]:
    exact = ("provider", "region", "accelerator", "capacity_type", "offer_id")
    conditions: list[ColumnElement[bool]] = [source.c[name] == getattr(query, name) for name in exact if getattr(query, name)]
    if query.text:
        searched = (source.c.offer_id, source.c.accelerator, source.c.jurisdiction, source.c.source)
        conditions.append(func.concat_ws(" ", *searched).icontains(query.text, autoescape=True))
    return conditions


def _order(source: Subquery, sort: str) -> ColumnElement[Any]:
    per_gpu = source.c.price_micro_usd_per_h / func.greatest(source.c.accelerator_count, 1)
    orders: dict[str, ColumnElement[Any]] = {
        "price": source.c.price_micro_usd_per_h,
        "gpu_price": per_gpu,
        "accelerator": source.c.accelerator,
        "provider": source.c.provider,
        "region": source.c.region,
        "zone": source.c.zone,
        "type": source.c.instance_type,
        "capacity": source.c.capacity_type,
        "availability": source.c.availability,
        "observed": source.c.observed_at,
    }
    if sort not in orders:
        raise InvalidInputError("sort", sort, "unknown sort order", f"Use one of: {', '.join(orders)}.")
    return orders[sort]
