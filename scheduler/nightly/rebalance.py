"""One run of the nightly job, step by step; each step is stored before the next begins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from scheduler.control.decide import Decision, decide
from scheduler.domain.errors import HeadraceError
from scheduler.domain.events import Event, EventKind
from scheduler.domain.lifecycle import PLAN_OPEN, PlanState
from scheduler.domain.plan import Plan
from scheduler.domain.ports import Clock
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import EventLog, FleetStore, LeaseStore, PlanStore, Run
from scheduler.domain.units import per_month, usd
from scheduler.optimizer import SolveSettings
from scheduler.planner import PlanContext

log = structlog.get_logger(__name__)

JOB = "rebalance"
EXIT_DONE, EXIT_FAILED, EXIT_LOCKED = 0, 1, 75
"""75 is EX_TEMPFAIL of sysexits.h: try again later."""

STALE_AFTER_S = 60.0
HEARTBEAT_S = 1.0
APPLYING = "applying "
Report = dict[str, str | int | float | bool | None]


@dataclass(frozen=True, slots=True)
class Rebalance:
    """The job with what it needs.

    Attributes:
        prune: forgets history and events older than the retention; returns the number of rows.
        leader_patience_s: how long a plan may wait for a leader to carry it out.
    """

    leases: LeaseStore
    plans: PlanStore
    fleet: FleetStore
    events: EventLog
    snapshot: Callable[[datetime], Awaitable[Snapshot]]
    prune: Callable[[datetime], Awaitable[int]]
    clock: Clock
    solving: SolveSettings = field(default_factory=SolveSettings)
    leader_patience_s: float = 3600.0
    retention: timedelta = timedelta(days=90)

    async def dry_run(self) -> Report:
        """Solve and report; nothing is stored and no lock is taken."""
        decision = await self._decide()
        return {**_told(decision), "dry_run": True}

    async def run(self) -> tuple[int, Report]:
        """Run, resume, or tell that today's run is done or held by another process. Returns the exit code and a report."""
        now = self.clock()
        run = await self.leases.begin_run(JOB, now.date(), now, STALE_AFTER_S)
        if run is None:
            return EXIT_LOCKED, {"outcome": "locked", "run_date": now.date().isoformat()}
        if run.outcome == "done":
            return EXIT_DONE, {"outcome": "done", "already": True, **run.report}
        try:
            report = await self._steps(run)
        except (HeadraceError, TimeoutError) as error:
            failed = replace(run, outcome="failed", heartbeat_at=self.clock(), report={"error": str(error) or type(error).__name__})
            await self.leases.update_run(failed)
            await self._tell(run, f"nightly rebalance failed: {error}")
            return EXIT_FAILED, {"outcome": "failed", "error": str(error)}
        await self.leases.update_run(replace(run, outcome="done", step="done", heartbeat_at=self.clock(), report=report))
        await self._tell(run, f"nightly rebalance done: {report.get('gate', '')}")
        return EXIT_DONE, {"outcome": "done", **report}

    async def _steps(self, run: Run) -> Report:
        if run.step.startswith(APPLYING):
            plan = await self.plans.plan(run.step.removeprefix(APPLYING))
            log.info("rebalance_resumed", plan=plan.id)
            return await self._follow(run, plan, {"resumed": True, "plan": plan.id})
        pruned = await self.prune(self.clock() - self.retention)
        run = replace(run, step="pruned", heartbeat_at=self.clock())
        await self.leases.update_run(run)
        decision = await self._decide()
        told: Report = {**_told(decision), "pruned_rows": pruned}
        plan = decision.plan
        if decision.violations:
            raise HeadraceError(f"the checker refused the plan: {decision.violations[0].text}")
        if decision.empty or not plan.gate.passes:
            return {**told, "applied": False}
        await self.plans.propose(plan)
        # The step is stored before the decision, so that a crash between them finds the proposed plan and goes on.
        run = replace(run, step=f"{APPLYING}{plan.id}", heartbeat_at=self.clock())
        await self.leases.update_run(run)
        return await self._follow(run, plan, told)

    async def _follow(self, run: Run, plan: Plan, told: Report) -> Report:
        """Wait for the leader to carry the plan out, with a heartbeat so that nobody takes the run over."""
        until = self.clock() + timedelta(seconds=self.leader_patience_s)
        while True:
            present = await self.plans.plan(plan.id)
            if present.state is PlanState.PROPOSED:
                await self.plans.decide(plan.id, PlanState.APPLYING, "the nightly job")
            elif present.state not in PLAN_OPEN:
                return {**told, "applied": present.state is PlanState.APPLIED, "plan_state": present.state.value}
            if self.clock() > until:
                raise TimeoutError(f"plan {plan.id} was not carried out within {self.leader_patience_s:.0f} s; is a control plane running?")
            await self.leases.update_run(replace(run, heartbeat_at=self.clock()))
            await asyncio.sleep(HEARTBEAT_S)

    async def _decide(self) -> Decision:
        now = self.clock()
        snapshot = await self.snapshot(now)
        moves = (await self.fleet.fleet()).moves
        context = PlanContext(f"night{now:%y%m%d%H%M%S}", now, 0, "nightly rebalance")
        return await asyncio.to_thread(decide, snapshot, moves, context, self.solving)

    async def _tell(self, run: Run, message: str) -> None:
        await self.events.append([Event(EventKind.RUN_FINISHED, self.clock(), f"{JOB} {run.run_date.isoformat()}", message)])


def _told(decision: Decision) -> Report:
    plan = decision.plan
    facts: Mapping[str, str | int | float | bool | None] = {
        "plan": plan.id,
        "moves": len(plan.moves),
        "releases": len(plan.releases),
        "usd_per_month_before": usd(per_month(plan.cost_before_micro_usd_per_h)),
        "usd_per_month_after": usd(per_month(plan.cost_after_micro_usd_per_h)),
        "gap": plan.target.gap,
        "gate": plan.gate.text,
        "passes_gate": plan.gate.passes,
        "unmet": len(plan.target.unmet),
    }
    return dict(facts)
