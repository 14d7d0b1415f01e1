"""How fast offers are taken in, how small their history stays, and how fast the market of an instant is read back."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from providers.simulated.base import base_offers
from scheduler.domain.offer import Offer
from scheduler.domain.ports import Capabilities, OfferPage, Provider
from scheduler.domain.stores import OfferFilter
from scheduler.inventory import collect
from scheduler.store import Store, open_store
from scheduler.store.embedded import EmbeddedPostgres
from scheduler.store.offer_rows import offers_of
from scheduler.store.yardstick import append_plainly, history_bytes, upsert_plainly
from simulations.replay import MarketReplay, read_market

START = datetime(2026, 7, 20, tzinfo=UTC)
AS_OF_ROWS = 50_000
AS_OF_POLLS = 4
AS_OF_READINGS = 5
AS_OF_FEED = "as-of"
AS_OF_START = START - timedelta(days=30)
CHANGED_SHARE = 0.05


async def run(rows: int, polls: int, replay: Path | None) -> dict[str, Any]:
    """Figures of one run, on servers of its own."""
    async with _stored() as (store, _):
        figures = await _as_of(store)
    async with _stored() as (store, dsn):
        figures |= await _ingest(store, dsn, rows, polls)
        figures |= await _replayed(store, dsn, replay) if replay is not None else {}
    return figures


@asynccontextmanager
async def _stored() -> AsyncIterator[tuple[Store, str]]:
    with tempfile.TemporaryDirectory(prefix="hr-") as folder, EmbeddedPostgres(Path(folder) / "d", Path(folder) / "s") as postgres:
        store = await open_store(postgres.dsn)
        try:
            yield store, postgres.dsn
        finally:
            await store.close()


async def _ingest(store: Store, dsn: str, rows: int, polls: int) -> dict[str, Any]:
    """A first load, then polls in which one row in twenty changed its price."""
    seeded = random.Random(1)  # noqa: S311 (a benchmark's input)
    offers = _many(rows)
    seconds, changed = [], 0
    for poll in range(polls + 1):
        at = START + timedelta(minutes=poll)
        began = time.perf_counter()
        report = await store.offers.ingest("bench", "default", OfferPage("all", tuple(offers), complete=True), at)
        seconds.append(time.perf_counter() - began)
        changed = report.price_changes
        offers = [replace(o, price_micro_usd_per_h=o.price_micro_usd_per_h + 1) if seeded.random() < CHANGED_SHARE else o for o in offers]
    await asyncio.to_thread(upsert_plainly, dsn, offers)
    began = time.perf_counter()
    await asyncio.to_thread(upsert_plainly, dsn, offers)
    peer = time.perf_counter() - began
    steady = min(seconds[1:])
    return {
        "rows": rows,
        "first_rows_per_s": round(rows / seconds[0]),
        "steady_rows_per_s": round(rows / steady),
        "steady_rows_per_s_worst": round(rows / max(seconds[1:])),
        "steady_refresh_s_of_50000": round(steady * 50_000 / rows, 3),
        "price_changes_per_poll": changed,
        "peer": "psycopg executemany, INSERT ON CONFLICT DO UPDATE, no history",
        "peer_rows_per_s": round(rows / peer),
        "ratio_to_peer": round(peer / steady, 2),
    }


def _many(rows: int) -> list[Offer]:
    """The bundled list prices, repeated in made-up zones until there are enough."""
    base = base_offers()
    return [replace(base[index % len(base)], zone=f"z{index // len(base)}-{base[index % len(base)].zone}") for index in range(rows)]


async def _as_of(store: Store) -> dict[str, Any]:
    """A market of 50,000 offers with history as it was at an earlier instant, as whole offers; first by a process that knows none of it.

    Decoding is measured by itself, on the same rows; the rest is the database's, the way from it included.
    """
    offers = _many(AS_OF_ROWS)
    for poll in range(AS_OF_POLLS):
        page = OfferPage("all", tuple(offers), complete=True)
        await store.offers.ingest(AS_OF_FEED, "default", page, AS_OF_START + timedelta(minutes=poll))
        offers = [replace(o, price_micro_usd_per_h=o.price_micro_usd_per_h + 1) if n % 20 == poll else o for n, o in enumerate(offers)]
    query = OfferFilter(at=AS_OF_START + timedelta(minutes=1, seconds=30), limit=10 * AS_OF_ROWS)
    seconds = []
    for _ in range(AS_OF_READINGS):
        began = time.perf_counter()
        found, _total = await store.offers.list_offers(query)
        seconds.append(time.perf_counter() - began)
    decode = min(_decoded_s(found) for _ in range(AS_OF_READINGS))
    warm = min(seconds[1:])
    return {
        "as_of_rows": len(found),
        "as_of_s": round(warm, 3),
        "as_of_first_s": round(seconds[0], 3),
        "as_of_decode_s": round(decode, 3),
        "as_of_database_s": round(warm - decode, 3),
    }


def _decoded_s(offers: Sequence[Offer]) -> float:
    """How long rows take to become offers."""
    shapes = dict(enumerate(offers[:1000]))
    rows = [(o.zone, o.price_micro_usd_per_h, "unknown", o.observed_at, n % len(shapes)) for n, o in enumerate(offers)]
    began = time.perf_counter()
    offers_of(rows, shapes)
    return time.perf_counter() - began


async def _replayed(store: Store, dsn: str, folder: Path) -> dict[str, Any]:
    """Weeks of a real market through the collector, stored by change; the peer appends every row of every poll."""
    market = read_market(folder)
    feed = MarketReplay(market)
    provider = Provider("market", "default", "GPU market replay", Capabilities(on_demand_prices=True), feed)
    collector = collect.Collector(provider, store.offers, store.events, feed.clock, jitter=random.Random(1))  # noqa: S311
    began = time.perf_counter()
    seen = 0
    while feed.advance():
        seen += (await collector.poll()).offers
    seconds = time.perf_counter() - began
    by_change = await asyncio.to_thread(history_bytes, dsn, "market")
    appended = await asyncio.to_thread(append_plainly, dsn, feed.rows_by_poll())
    return {
        "replay_polls": len(market),
        "replay_offers_seen": seen,
        "replay_s": round(seconds, 2),
        "replay_history_rows": by_change.rows,
        "replay_history_bytes": by_change.size_bytes,
        "replay_append_only_rows": appended.rows,
        "replay_append_only_bytes": appended.size_bytes,
        "replay_size_ratio": round(by_change.size_bytes / max(1, appended.size_bytes), 4),
        "replay_peer": "one row per offer and poll, same columns, same index",
    }
