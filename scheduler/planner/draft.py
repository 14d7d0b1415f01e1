"""Put the plan together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from scheduler.domain.lifecycle import NODE_USABLE, REPLICA_ENDED, NodeState
from scheduler.domain.plan import Plan, Target
from scheduler.domain.snapshot import Snapshot
from scheduler.planner.assign import assign
from scheduler.planner.diff import difference
from scheduler.planner.order import order
from scheduler.planner.worth import DEFAULT_THRESHOLD, worth


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Attributes: ``gate_threshold`` as in ``worth``."""

    gate_threshold: float = DEFAULT_THRESHOLD


@dataclass(frozen=True, slots=True)
class PlanContext:
    """Circumstances of the decision.

    Attributes:
        trigger: what woke it. needs: why moving is necessary whatever it saves, as sentences.
    """

    plan_id: str
    now: datetime
    epoch: int
    trigger: str
    needs: tuple[str, ...] = ()


def make_plan(snapshot: Snapshot, target: Target, context: PlanContext, settings: PlanSettings | None = None) -> Plan:
    """Ordered moves from what runs to the target. A plan without moves and releases means that nothing is to be done."""
    settings = settings or PlanSettings()
    change = difference(snapshot, target)
    assignment = assign(snapshot, target, change, context.plan_id)
    moves = order(snapshot, change, assignment, context.plan_id)
    # A node that still holds a leaving replica is released by the reconciler once that replica has drained.
    releases = tuple(node.id for node in snapshot.nodes if node.state in NODE_USABLE and node.id not in assignment.kept_nodes)
    paid = [node for node in snapshot.nodes if node.state in NODE_USABLE or node.state is NodeState.INTERRUPTED]
    before = sum(node.price_micro_usd_per_h for node in paid)
    prices = {pool.offer_id: pool.price_micro_usd_per_h for pool in target.pools}
    kept = sum(node.price_micro_usd_per_h for node in snapshot.nodes if node.id in assignment.kept_nodes)
    after = kept + sum(prices.get(node.offer_id, 0) for node in assignment.new_nodes)
    running = sum(replica.state not in REPLICA_ENDED for replica in snapshot.replicas)
    return Plan(
        id=context.plan_id,
        created_at=context.now,
        snapshot_version=snapshot.version,
        epoch=context.epoch,
        trigger=context.trigger,
        target=target,
        new_nodes=assignment.new_nodes,
        new_replicas=assignment.new_replicas,
        moves=tuple(replace(move, plan=context.plan_id) for move in moves),
        releases=releases,
        cost_before_micro_usd_per_h=before,
        cost_after_micro_usd_per_h=after,
        gate=worth(moves, running, before, after, context.needs, settings.gate_threshold),
    )
