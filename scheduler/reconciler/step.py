"""One step of the reconciler: observe, advance, ask. Pure; the same sight gives the same step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from scheduler.domain.errors import ConflictError, IllegalTransitionError
from scheduler.domain.events import EventKind
from scheduler.domain.fleet import Node, Replica
from scheduler.domain.lifecycle import PLAN_TRANSITIONS, MoveState, NodeState, PlanState, ReplicaState, check_transition
from scheduler.domain.offer import Offer
from scheduler.domain.plan import NewReplica, Plan
from scheduler.domain.stores import ChangeSet
from scheduler.reconciler.actions import Action, Outcome
from scheduler.reconciler.draft import Draft
from scheduler.reconciler.moves import abandon_new, advance_moves, fail_bereft
from scheduler.reconciler.nodes import absorb_outcome, advance_nodes
from scheduler.reconciler.observe import observe
from scheduler.reconciler.replicas import advance_replicas
from scheduler.reconciler.sight import Sight
from scheduler.reconciler.wishes import start_requested, write_wishes


@dataclass(frozen=True, slots=True)
class Step:
    """Rows to write first, then actions to take. ``refused`` are bugs: rows that asked for a transition their table does not have."""

    changes: ChangeSet
    actions: tuple[Action, ...]
    refused: tuple[IllegalTransitionError, ...] = ()


def step(sight: Sight) -> Step:
    """Compare and act once."""
    draft = Draft(sight)
    observe(draft)
    advance_moves(draft)
    advance_replicas(draft)
    start_requested(draft)
    advance_nodes(draft)
    fail_bereft(draft)
    write_wishes(draft)
    return Step(draft.changes(), tuple(draft.actions), tuple(draft.refused))


def absorb(sight: Sight, outcomes: Sequence[Outcome]) -> ChangeSet:
    """Rows to write for what the providers answered."""
    draft = Draft(sight)
    draft.each(outcomes, absorb_outcome, lambda outcome: outcome.action.node.id)
    fail_bereft(draft)
    return draft.changes()


def accept(sight: Sight, plan: Plan, offers: dict[str, Offer], decided_by: str) -> ChangeSet:
    """Begin a plan: its nodes and replicas become intent rows, and an unfinished plan gives way.

    Moves of the older plan that have begun run to their end; those that have not are cancelled.

    Raises:
        ConflictError: the plan names an offer that is no longer known.
        IllegalTransitionError: the plan was already decided otherwise.
    """
    draft = Draft(sight)
    _give_way(draft, plan)
    older = draft.plan if draft.plan is not None and draft.plan.id != plan.id else None
    check_transition("plan", plan.id, PLAN_TRANSITIONS, plan.state, PlanState.APPLYING)
    draft.plan = replace(plan, state=PlanState.APPLYING, decided_by=decided_by, epoch=sight.epoch)
    for node in plan.new_nodes:
        draft.nodes.setdefault(node.id, _new_node(draft, node.id, node.cluster, node.offer_id, offers))
    for new in plan.new_replicas:
        draft.replicas.setdefault(new.id, _new_replica(draft, new))
    for move in plan.moves:
        draft.moves.setdefault(move.id, move)
    draft.tell(EventKind.PLAN_CHANGED, plan.id, f"plan {plan.id} is applied by {decided_by}: {len(plan.moves)} moves ({plan.trigger})",
               state=PlanState.APPLYING.value, trigger=plan.trigger)  # fmt: skip
    changes = draft.changes()
    return replace(changes, plans=(*((older,) if older is not None else ()), *changes.plans))


def _give_way(draft: Draft, plan: Plan) -> None:
    """Cancel what other plans have not begun, and end the plan that was being applied."""
    for move in list(draft.moves.values()):
        if move.plan != plan.id and move.state is MoveState.REQUESTED:
            draft.move(move, MoveState.CANCELLED, f"superseded by {plan.id}", ended_at=draft.now)
            abandon_new(draft, move, f"superseded by {plan.id}")
    if draft.plan is not None and draft.plan.id != plan.id and draft.plan.state is PlanState.APPLYING:
        draft.end_plan(PlanState.SUPERSEDED, f"plan {draft.plan.id} was superseded by {plan.id}")


def _new_node(draft: Draft, identity: str, cluster: str, offer_id: str, offers: dict[str, Offer]) -> Node:
    offer = offers.get(offer_id)
    if offer is None:
        raise ConflictError(f"offer {offer_id} is no longer known; make a new plan")
    return Node(
        id=identity,
        cluster=cluster,
        offer_id=offer_id,
        instance_type=offer.instance_type,
        zone=offer.zone,
        capacity_type=offer.capacity_type,
        price_micro_usd_per_h=offer.price_micro_usd_per_h,
        state=NodeState.REQUESTED,
        launch_token=f"{draft.sight.settings.token_prefix}{identity}",
        requested_at=draft.now,
        feed=offer.feed,
    )


def _new_replica(draft: Draft, new: NewReplica) -> Replica:
    settings = draft.sight.settings
    deadline = draft.now + timedelta(seconds=settings.launch_timeout_s + settings.join_timeout_s)
    return Replica(
        id=new.id,
        deployment=new.deployment,
        shape=new.shape,
        cluster=new.cluster,
        nodes=new.nodes,
        state=ReplicaState.REQUESTED,
        generation=new.generation,
        requested_at=draft.now,
        deadline=deadline,
    )
