"""Reads every cloud at once, from fakes that answer as slowly as vendors do, through the real collectors into Postgres.

The fakes run in a process of their own, so that the memory told is the reader's. The peer is the vendors' rate limits themselves:
no reader that keeps them could be faster than the slowest cloud.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from scheduler.bootstrap.registry import load_provider
from scheduler.domain.ports import Budget, Pace
from scheduler.inventory.collect import Collector
from scheduler.inventory.poll import PollReport
from scheduler.store import Store, open_store
from scheduler.store.embedded import EmbeddedPostgres
from simulations.vendors.estate import Estate, Product
from simulations.vendors.fake import Fake, system_clock
from simulations.vendors.proof import fake_of, fakes

LATENCY_S = 0.15
TIMEOUT_S = "60"
OPTIONS = {"aws": {"prices": "file"}}
"""What a person may choose, where the choice is between a small answer and a big one: the big one."""


@dataclass(frozen=True)
class Reached:
    """A fake that tells settings and credentials, and the address at which it, or its like, is served."""

    fake: Fake
    url: str


@dataclass
class CountingPace:
    """Another pace that also knows how many calls each cloud was sent and how fast it allows them."""

    inner: Pace
    calls: dict[str, int] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)

    async def take(self, budget: Budget) -> None:
        """Count, then wait."""
        self.calls[budget.key] = self.calls.get(budget.key, 0) + 1
        self.budgets[budget.key] = budget
        await self.inner.take(budget)

    def floor_s(self) -> tuple[float, str]:
        """The shortest time that the rate limits allow for these calls, and whose limit it is."""
        times = {key: max(0, count - self.budgets[key].burst) / self.budgets[key].per_s for key, count in self.calls.items()}
        slowest = max(times, key=lambda key: times[key], default="")
        return times.get(slowest, 0.0), slowest


async def run(rows: int) -> dict[str, Any]:
    """Figures of one run: a first refresh of everything, and a second one where nothing changed."""
    with (
        tempfile.TemporaryDirectory(prefix="hr-") as folder,
        EmbeddedPostgres(Path(folder) / "d", Path(folder) / "s") as postgres,
        served(rows) as clouds,
    ):
        store = await open_store(postgres.dsn)
        try:
            return await _refresh(store, clouds)
        finally:
            await store.close()


async def _refresh(store: Store, clouds: Mapping[str, Reached]) -> dict[str, Any]:
    from scheduler.inventory.pace import LocalPace

    pace = CountingPace(store.pace(LocalPace()))
    collectors = {kind: _collector(store, reached, pace) for kind, reached in clouds.items()}
    began = time.perf_counter()
    reports = dict(zip(collectors, await asyncio.gather(*(_timed(each) for each in collectors.values())), strict=True))
    first_s = time.perf_counter() - began
    floor_s, slowest = pace.floor_s()
    calls = sum(pace.calls.values())
    offers = sum(report.offers for report, _ in reports.values())
    began = time.perf_counter()
    await asyncio.gather(*(each.poll() for each in collectors.values()))
    steady_s = time.perf_counter() - began
    told = {kind: report.offers for kind, (report, _) in reports.items()}
    seconds = {kind: round(took, 1) for kind, (_, took) in reports.items()}
    return {
        "clouds": len(reports),
        "offers": offers,
        "calls": calls,
        "latency_s_a_call": LATENCY_S,
        "refresh_s": round(first_s, 2),
        "refresh_unchanged_s": round(steady_s, 2),
        "peer": f"the vendors' own rate limits; slowest: {slowest}",
        "peer_s": round(floor_s, 2),
        "ratio_to_peer": round(first_s / floor_s, 2) if floor_s else None,
        "most_offers": dict(sorted(told.items(), key=lambda pair: -pair[1])[:5]),
        "slowest_clouds_s": dict(sorted(seconds.items(), key=lambda pair: -pair[1])[:5]),
        "peak_resident_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "failed": {kind: report.error for kind, (report, _) in reports.items() if report.error},
    }


async def _timed(collector: Collector) -> tuple[PollReport, float]:
    began = time.perf_counter()
    return await collector.poll(), time.perf_counter() - began


def _collector(store: Store, reached: Reached, pace: Pace) -> Collector:
    given = reached.fake.settings(reached.url)
    settings = replace(given, options={**given.options, "timeout_s": TIMEOUT_S, **OPTIONS.get(given.kind, {})})
    provider = load_provider(settings, reached.fake.environ(), system_clock, pace)
    return Collector(provider, store.offers, store.events, system_clock, jitter=random.Random(1))  # noqa: S311


# --- the fakes ------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(rows: int) -> Iterator[Mapping[str, Reached]]:
    """Every fake: in a process of its own, but for those whose keys cannot leave this one."""
    kinds = fakes()
    here, there = {k: v for k, v in kinds.items() if not v.portable}, [k for k, v in kinds.items() if v.portable]
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, there, rows_of(kinds, rows)), daemon=True)
    process.start()
    with contextlib.ExitStack() as stack:
        reached = {}
        for name, kind in here.items():
            fake = enlarged(kind, rows_of(kinds, rows))
            reached[name] = Reached(fake, stack.enter_context(fake.serve(latency_s=LATENCY_S)).url)
        try:
            yield reached | {name: Reached(kinds[name](), url) for name, url in ours.recv().items()}
        finally:
            ours.send(None)
            process.join(timeout=30)
            process.kill()


def _serve(pipe: Connection, names: Sequence[str], rows: int) -> None:
    with contextlib.ExitStack() as stack:
        pipe.send({name: stack.enter_context(enlarged(fake_of(name), rows).serve(latency_s=LATENCY_S)).url for name in names})
        pipe.recv()


def rows_of(kinds: Mapping[str, type[Fake]], rows: int) -> int:
    """Offers of each vendor whose list may be of any length, for so many over all."""
    return rows // sum(kind.scalable for kind in kinds.values())


def enlarged(kind: type[Fake], rows: int) -> Fake:
    """A fake with about so many offers: its products again and again under names of their own. Vendors that sell a fixed list of
    types keep it. Pages and files are as big as the vendor's."""
    if not kind.scalable:
        fake = kind()
        fake.grow()
        return fake
    products = kind.products()
    sold = sum(len(product.stock) * (1 if product.spot_usd_per_h is None else 2) for product in products)
    copies = max(1, rows // max(1, sold))
    fake = kind(Estate([_copy(product, number) for number in range(copies) for product in products]))
    fake.grow()
    return fake


def _copy(product: Product, number: int) -> Product:
    return product if number == 0 else replace(product, name=f"{product.name}-x{number}")
