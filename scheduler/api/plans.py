"""Plans: preview with cost and reasons, apply, reject, explain; and the moves under way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Body, Query

from scheduler.api.auth import Operator, Viewer
from scheduler.api.schema import PreviewIn
from scheduler.api.services import Services, Use
from scheduler.api.workload import checked
from scheduler.control.decide import Decision, decide
from scheduler.control.suppose import suppose
from scheduler.domain.errors import ConflictError, InfeasibleError
from scheduler.domain.lifecycle import ClusterState, PlanState
from scheduler.domain.plan import Binding, Move, Plan, Reason, Unmet, Violation
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import Workload
from scheduler.domain.units import per_month, usd
from scheduler.optimizer import Comparison
from scheduler.planner import PlanContext

router = APIRouter(prefix="/v1", tags=["plans"])


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done, and what it would cost.

    Attributes:
        stored: True where the plan may be applied by its id (a preview of the fleet as declared).
        conflicts, remedies: why not everything can be met, and what would resolve it.
        what_if: the answer to what-if questions, beside the world as it is; the plan is that of the changed world. None without any.
    """

    plan: Plan
    stored: bool
    usd_per_month_before: float
    usd_per_month_after: float
    conflicts: list[str]
    remedies: list[str]
    violations: list[Violation]
    what_if: Comparison | None = None


@router.post("/plans/preview")
async def preview(key: Viewer, use: Use, document: Annotated[PreviewIn | None, Body()] = None) -> Preview:
    """Solve now. With a document or what-if questions: what they would change, without storing anything. Without: a plan to apply."""
    now = use.clock()
    if document is None:
        snapshot = await use.snapshot(now)
    else:
        declaration = await checked(use, document)
        joining = tuple(replace(cluster, state=ClusterState.READY) for cluster in declaration.clusters)
        snapshot = with_declared(await use.snapshot(now, joining), declaration.workload)
    moves = (await use.stores.fleet.fleet()).moves
    context = PlanContext(f"p{now:%y%m%d%H%M%S%f}"[:17], now, 0, "preview" if document is None else "what-if of a document")
    if document is not None and document.what_if:
        supposed = await asyncio.to_thread(suppose, snapshot, document.what_if, moves, context, use.solving)
        return tell(supposed.decision, stored=False, comparison=supposed.comparison)
    decision = await asyncio.to_thread(decide, snapshot, moves, context, use.solving)
    stored = document is None and key.role == "operator" and not decision.violations and not decision.empty
    if stored:
        await use.stores.plans.propose(decision.plan)
    return tell(decision, stored=stored)


def tell(decision: Decision, *, stored: bool, comparison: Comparison | None = None) -> Preview:
    """A decision as the API answers it."""
    plan, conflict = decision.plan, decision.conflict
    return Preview(
        plan=plan,
        stored=stored,
        usd_per_month_before=usd(per_month(plan.cost_before_micro_usd_per_h)),
        usd_per_month_after=usd(per_month(plan.cost_after_micro_usd_per_h)),
        conflicts=list(conflict.conflicts) if conflict else [],
        remedies=list(conflict.remedies) if conflict else [],
        violations=list(decision.violations),
        what_if=comparison,
    )


def with_declared(snapshot: Snapshot, workload: Workload) -> Snapshot:
    """The world as it would be if this workload were declared."""
    declared = {d.id: d for d in workload.deployments}
    before = {d.id: d for d in snapshot.deployments}
    for name, wanted in declared.items():
        old = before.get(name)
        generation = 1 if old is None else old.generation + (old.runs != wanted.runs)
        declared[name] = replace(wanted, generation=generation)
    return replace(
        snapshot,
        deployments=tuple((before | declared).values()),
        models=tuple(({m.id: m for m in snapshot.models} | {m.id: m for m in workload.models}).values()),
        shapes=tuple(({s.id: s for s in snapshot.shapes} | {s.id: s for s in workload.shapes}).values()),
    )


@router.get("/plans")
async def plans(_: Viewer, use: Use, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> list[Plan]:
    """Plans, newest first."""
    return list(await use.stores.plans.plans(limit))


@router.get("/plans/{plan}")
async def plan(plan: str, _: Viewer, use: Use) -> Plan:
    """One plan."""
    return await use.stores.plans.plan(plan)


@router.post("/plans/{plan}/apply")
async def apply(plan: str, key: Operator, use: Use, force: bool = False) -> Plan:
    """Hand a proposed plan to the leader. A plan that leaves demand unmet needs ``force``."""
    proposed = await use.stores.plans.plan(plan)
    if proposed.target.unmet and not force:
        lacking = [f"{u.deployment}: {u.origin or u.bucket} lacks {u.tokens_per_s:.1f}" for u in proposed.target.unmet]
        raise InfeasibleError(lacking, ["apply it with force=true to take what can be had"])
    if proposed.state is not PlanState.PROPOSED:
        raise ConflictError(f"plan {plan} is {proposed.state.value}; only a proposed plan can be applied")
    return await use.stores.plans.decide(plan, PlanState.APPLYING, key.id)


@router.post("/plans/{plan}/reject")
async def reject(plan: str, key: Operator, use: Use) -> Plan:
    """Decline a proposed plan."""
    return await use.stores.plans.decide(plan, PlanState.REJECTED, key.id)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a deployment is where it is, and not elsewhere."""

    plan: str
    deployment: str
    reasons: list[Reason]
    bindings: list[Binding]
    unmet: list[Unmet]
    gap: float
    bound_usd_per_h: float
    cost_usd_per_h: float


@router.get("/plans/{plan}/explain")
async def explain_plan(plan: str, _: Viewer, use: Use, deployment: str = "") -> Explanation:
    """The reasons recorded with a plan."""
    return _explained(await use.stores.plans.plan(plan), deployment)


@router.get("/explain")
async def explain(_: Viewer, use: Use, deployment: str = "") -> Explanation:
    """Why things are where they are now: a fresh solve of the present world."""
    decision = await _decide_now(use)
    return _explained(decision.plan, deployment)


async def _decide_now(use: Services) -> Decision:
    now = use.clock()
    moves = (await use.stores.fleet.fleet()).moves
    return await asyncio.to_thread(decide, await use.snapshot(now), moves, PlanContext("explain", now, 0, "explanation"), use.solving)


def _explained(plan: Plan, deployment: str) -> Explanation:
    target = plan.target
    reasons = [reason for reason in target.reasons if deployment in ("", reason.deployment)]
    return Explanation(
        plan=plan.id,
        deployment=deployment,
        reasons=sorted(reasons, key=lambda reason: (reason.verdict.value != "chosen", reason.deployment, reason.rule, reason.offer_id)),
        bindings=list(target.bindings),
        unmet=[unmet for unmet in target.unmet if deployment in ("", unmet.deployment)],
        gap=target.gap,
        bound_usd_per_h=usd(target.bound_micro_usd_per_h),
        cost_usd_per_h=usd(target.objective_micro_usd_per_h),
    )


@router.get("/migrations")
async def migrations(_: Viewer, use: Use, plan: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[Move]:
    """Moves, newest first."""
    return list(await use.stores.plans.moves(plan or None, limit))
