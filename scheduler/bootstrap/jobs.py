"""The nightly job: as a process of its own, or by the leader's ticker; always against the same database."""

from __future__ import annotations

import asyncio
from datetime import datetime

from scheduler.bootstrap.connect import connect
from scheduler.bootstrap.settings import Settings
from scheduler.bootstrap.wire import system_clock
from scheduler.domain.snapshot import Snapshot
from scheduler.inventory.assemble import Sources, assemble
from scheduler.nightly import EXIT_DONE, Rebalance, Report
from scheduler.store import Store


def rebalance_job(store: Store) -> Rebalance:
    """The job over this database."""
    sources = Sources(store.offers, store.evidence, store.workload, store.fleet)

    async def snapshot(now: datetime) -> Snapshot:
        return await assemble(sources, now)

    async def prune(before: datetime) -> int:
        return await store.offers.roll_up(before) + await store.events.prune(before)

    return Rebalance(store.leases, store.plans, store.fleet, store.events, snapshot, prune, system_clock)


async def run_rebalance(settings: Settings, *, dry_run: bool) -> tuple[int, Report]:
    """Exit code and report."""
    store, postgres = await connect(settings)
    try:
        job = rebalance_job(store)
        return (EXIT_DONE, await job.dry_run()) if dry_run else await job.run()
    finally:
        await store.close()
        if postgres is not None:
            await asyncio.to_thread(postgres.stop)
