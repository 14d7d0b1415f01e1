"""What happened, with its evidence. Events wake the control loop; they never carry state that a read could not give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    # tightening: any signal that capacity shrinks
    INTERRUPTION_NOTICE = "interruption_notice"
    REBALANCE_RECOMMENDATION = "rebalance_recommendation"
    STOCKOUT = "stockout"
    STOCK_FALLING = "stock_falling"
    PRICE_SPIKE = "price_spike"
    QUOTA_CUT = "quota_cut"
    BLOCK_ENDING = "block_ending"
    ACCELERATOR_FAULT = "accelerator_fault"
    CLUSTER_SUSPECT = "cluster_suspect"
    CLUSTER_LOST = "cluster_lost"
    CLUSTER_CORDONED = "cluster_cordoned"
    CLUSTER_DRAINING = "cluster_draining"
    # the rest
    CLUSTER_OPENED = "cluster_opened"
    CLUSTER_READY = "cluster_ready"
    NODE_CHANGED = "node_changed"
    REPLICA_CHANGED = "replica_changed"
    MOVE_CHANGED = "move_changed"
    PLAN_CHANGED = "plan_changed"
    DEPLOYMENT_CHANGED = "deployment_changed"
    PROVIDER_POLLED = "provider_polled"
    PROVIDER_PROBLEM = "provider_problem"
    LEADER_CHANGED = "leader_changed"
    EDGE_PUBLISHED = "edge_published"
    RUN_FINISHED = "run_finished"


TIGHTENING = frozenset(
    {
        EventKind.INTERRUPTION_NOTICE,
        EventKind.REBALANCE_RECOMMENDATION,
        EventKind.STOCKOUT,
        EventKind.STOCK_FALLING,
        EventKind.PRICE_SPIKE,
        EventKind.QUOTA_CUT,
        EventKind.BLOCK_ENDING,
        EventKind.ACCELERATOR_FAULT,
        EventKind.CLUSTER_SUSPECT,
        EventKind.CLUSTER_LOST,
        EventKind.CLUSTER_CORDONED,
        EventKind.CLUSTER_DRAINING,
    }
)


@dataclass(frozen=True, slots=True)
class Event:
    """One past-tense fact.

    Attributes:
        subject: id of what it is about (node, replica, offer, cluster, plan).
        message: one sentence for people.
        data: ids and numbers for machines.
    """

    kind: EventKind
    at: datetime
    subject: str
    message: str
    data: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning about one node from its cloud.

    Attributes:
        node: our node id.
        deadline: when the provider takes the node back; None for a recommendation.
    """

    node: str
    kind: EventKind
    deadline: datetime | None
    evidence: str
    received_at: datetime
