"""Who leads, and who runs a job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, case, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from scheduler.domain.errors import ConflictError
from scheduler.domain.stores import Run
from scheduler.store.database import Database
from scheduler.store.schema import leadership, runs

_NOBODY = ""


class Leases:
    """Implements ``LeaseStore`` on Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire_leadership(self, holder: str, now: datetime, ttl_s: float) -> int | None:
        """Take or renew the lease until ``now + ttl_s``.

        Returns:
            The epoch: the same for a holder that renews, one more than any before for a new one. None while another's lease is alive.
        """
        lease = leadership.c
        row = insert(leadership).values(single=True, holder=holder, epoch=1, until=now + timedelta(seconds=ttl_s))
        taken = {
            "holder": row.excluded.holder,
            "until": row.excluded.until,
            "epoch": case((lease.holder == holder, lease.epoch), else_=lease.epoch + 1),
        }
        free = or_(lease.holder.in_((holder, _NOBODY)), lease.until <= now)
        statement = row.on_conflict_do_update(index_elements=["single"], set_=taken, where=free).returning(lease.epoch)
        async with self._database.write() as connection:
            epoch: int | None = (await connection.execute(statement)).scalar_one_or_none()
        return epoch

    async def release_leadership(self, holder: str, epoch: int) -> None:
        """Give the lease up. Does nothing where it has passed to another holder or epoch."""
        statement = update(leadership).where(leadership.c.holder == holder, leadership.c.epoch == epoch).values(holder=_NOBODY)
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def begin_run(self, job: str, run_date: date, now: datetime, stale_after_s: float) -> Run | None:
        """Start the run of that date, or take over one whose heartbeat is older than ``stale_after_s``, at the step it reached.

        Returns:
            The run; a finished one with its outcome; None while another process holds it.
        """
        begun = insert(runs).values(job=job, run_date=run_date, started_at=now, heartbeat_at=now, outcome="", step="", report={})
        stale = runs.c.heartbeat_at <= now - timedelta(seconds=stale_after_s)
        taken = {"started_at": begun.excluded.started_at, "heartbeat_at": begun.excluded.heartbeat_at}
        statement = begun.on_conflict_do_update(
            index_elements=["job", "run_date"], set_=taken, where=(runs.c.outcome == "") & stale
        ).returning(*runs.c)
        async with self._database.write() as connection:
            row = (await connection.execute(statement)).one_or_none()
            if row is not None:
                return _run_of(row)
            known = await connection.execute(select(runs).where(runs.c.job == job, runs.c.run_date == run_date))
            present = _run_of(known.one())
        return present if present.outcome else None

    async def update_run(self, run: Run) -> None:
        """Record progress, the heartbeat and, at the end, the outcome.

        Raises:
            ConflictError: another process took the run over (``started_at`` tells one attempt from the next): stop at once.
        """
        statement = (
            update(runs)
            .where(runs.c.job == run.job, runs.c.run_date == run.run_date, runs.c.started_at == run.started_at)
            .values(heartbeat_at=run.heartbeat_at, outcome=run.outcome, step=run.step, report=dict(run.report))
        )
        async with self._database.write() as connection:
            written = (await connection.execute(statement)).rowcount
        if written == 0:
            raise ConflictError(f"run {run.job} of {run.run_date} was taken over by another process")

    async def runs(self, job: str, limit: int) -> Sequence[Run]:
        """Newest date first."""
        statement = select(runs).where(runs.c.job == job).order_by(runs.c.run_date.desc()).limit(limit)
        async with self._database.read() as connection:
            return [_run_of(row) for row in await connection.execute(statement)]


def _run_of(row: Row[Any]) -> Run:
    return Run(row.job, row.run_date, row.started_at, row.heartbeat_at, row.outcome, row.step, row.report)
