"""One decision: a snapshot goes in, a checked plan comes out. Pure; shared by the loop, the API's previews and the nightly job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scheduler.domain.errors import InfeasibleError
from scheduler.domain.fleet import Replica, pool_id
from scheduler.domain.lifecycle import NODE_USABLE, REPLICA_ENDED, ReplicaState
from scheduler.domain.plan import Move, Placement, Plan, PoolTarget, Target, Violation
from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer import SolveSettings, check, conflict, solve_next, with_modelled_shapes
from scheduler.planner import PlanContext, PlanSettings, decision_view, make_plan

if TYPE_CHECKING:
    from scheduler.optimizer.decompose.solve import Decomposed

NOT_A_NEED = frozenset({"availability", "cost", "bound", "quota", "reservation"})
"""Rules that limit what may be bought; breaking one with what already runs is no reason to move."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan with its proof.

    Attributes:
        snapshot: what it was decided on, modelled shapes included.
        violations: what the independent checker found; a plan with any is never applied.
        conflict: why not everything can be met, None where it can.
        solved: what the next decision on a large fleet starts from, None where it starts from nothing.
    """

    plan: Plan
    snapshot: Snapshot
    violations: tuple[Violation, ...]
    conflict: InfeasibleError | None
    solved: Decomposed | None = None

    @property
    def empty(self) -> bool:
        return not (self.plan.moves or self.plan.releases)


def decide(
    snapshot: Snapshot,
    moves: Sequence[Move],
    context: PlanContext,
    solving: SolveSettings | None = None,
    planning: PlanSettings | None = None,
    last: Decomposed | None = None,
) -> Decision:
    """Solve, check, plan and judge. ``last`` is the last decision's ``solved``."""
    view = decision_view(with_modelled_shapes(snapshot), moves)
    target, solved = solve_next(view, solving, last)
    violations = check(view, target)
    needs = (*context.needs, *needs_of(view))
    judged = PlanContext(context.plan_id, context.now, context.epoch, context.trigger, needs)
    plan = make_plan(view, target, judged, planning)
    return Decision(plan, view, violations, conflict(view, target, solving) if target.unmet else None, solved)


def needs_of(view: Snapshot) -> tuple[str, ...]:
    """Why what runs today cannot stay as it is, whatever moving costs."""
    broken = [v for v in check(view, current_target(view)) if v.rule not in NOT_A_NEED]
    found = [f"{violation.subject}: {violation.text}" for violation in broken]
    generations = {deployment.id: deployment.generation for deployment in view.deployments}
    stale = sorted({r.deployment for r in _present(view) if generations.get(r.deployment, r.generation) != r.generation})
    return (*found, *(f"{name}: rollout of generation {generations[name]}" for name in stale))


def current_target(view: Snapshot) -> Target:
    """What runs and stays, written as a target, so that the checker can judge it like any other."""
    nodes = {node.id: node for node in view.nodes if node.state in NODE_USABLE}
    counts: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for replica in _present(view):
        if all(name in nodes for name in replica.nodes):
            first = nodes[replica.nodes[0]]
            counts[replica.deployment, replica.shape, first.cluster, first.offer_id] += 1
    pools: dict[str, list[str]] = defaultdict(list)
    for node in nodes.values():
        pools[node.pool].append(node.id)
    offers = {offer.id: offer.price_micro_usd_per_h for offer in view.offers}
    return Target(
        placements=tuple(
            Placement(deployment, shape, pool_id(cluster, offer), cluster, offer, count)
            for (deployment, shape, cluster, offer), count in sorted(counts.items())
        ),
        pools=tuple(
            PoolTarget(
                pool,
                nodes[names[0]].cluster,
                nodes[names[0]].offer_id,
                len(names),
                len(names),
                offers.get(nodes[names[0]].offer_id, nodes[names[0]].price_micro_usd_per_h),
            )
            for pool, names in sorted(pools.items())
        ),
        routes=(),
        unmet=(),
        terms=(),
        objective_micro_usd_per_h=0,
        bound_micro_usd_per_h=0,
        gap=0.0,
        status="current",
        solve_ms=0,
    )


def _present(view: Snapshot) -> list[Replica]:
    leaving = (ReplicaState.DRAINING, ReplicaState.STOPPING)
    return [replica for replica in view.replicas if replica.state not in REPLICA_ENDED and replica.state not in leaving]
