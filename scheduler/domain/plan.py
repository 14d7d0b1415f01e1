"""What was decided: the target, its reasons, and the ordered moves that lead there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scheduler.domain.lifecycle import MoveState, PlanState


@dataclass(frozen=True, slots=True)
class Placement:
    """Replicas of one deployment in one node pool."""

    deployment: str
    shape: str
    pool: str
    cluster: str
    offer_id: str
    replicas: int


@dataclass(frozen=True, slots=True)
class PoolTarget:
    """Nodes wanted in one pool.

    Attributes:
        nodes: wanted count; existing: how many of them run today.
        price_micro_usd_per_h: per node at the margin; 0 inside a reservation.
    """

    pool: str
    cluster: str
    offer_id: str
    nodes: int
    existing: int
    price_micro_usd_per_h: int


@dataclass(frozen=True, slots=True)
class Route:
    """Traffic from one origin and bucket to the replicas of one placement."""

    deployment: str
    origin: str
    bucket: str
    pool: str
    shape: str
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Unmet:
    """Demand that nothing serves, with the price the objective puts on it."""

    deployment: str
    origin: str
    bucket: str
    tokens_per_s: float
    penalty_micro_usd_per_h: int


@dataclass(frozen=True, slots=True)
class CostTerm:
    """One line of the objective."""

    name: str
    micro_usd_per_h: int
    text: str


class Verdict(StrEnum):
    CHOSEN = "chosen"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a deployment is or is not on an offer.

    Attributes:
        rule: name of the rule or term that decided.
        text: a sentence with the numbers.
        would_change: what would turn a no into a yes, with its number; "" for a yes.
    """

    deployment: str
    offer_id: str
    cluster: str
    verdict: Verdict
    rule: str
    text: str
    would_change: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """A constraint that holds the cost up, and what one unit more of it would save."""

    constraint: str
    text: str
    saving_micro_usd_per_h: int


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a placement breaks, found by the independent checker."""

    rule: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Target:
    """The whole desired placement with its proof.

    Attributes:
        objective_micro_usd_per_h: all terms; bound: the proven lower bound on it.
        gap: (objective - bound) / (objective - sunk constants), 0 to 1.
        status: ``optimal``, ``feasible`` (limit reached) or ``greedy`` (fallback).
    """

    placements: tuple[Placement, ...]
    pools: tuple[PoolTarget, ...]
    routes: tuple[Route, ...]
    unmet: tuple[Unmet, ...]
    terms: tuple[CostTerm, ...]
    objective_micro_usd_per_h: int
    bound_micro_usd_per_h: int
    gap: float
    status: str
    solve_ms: int
    reasons: tuple[Reason, ...] = ()
    bindings: tuple[Binding, ...] = ()

    @property
    def node_cost_micro_usd_per_h(self) -> int:
        """Price of all wanted nodes at the margin."""
        return sum(pool.nodes * pool.price_micro_usd_per_h for pool in self.pools)


class MoveKind(StrEnum):
    START = "start"
    STOP = "stop"
    MIGRATE = "migrate"


@dataclass(frozen=True, slots=True)
class Move:
    """One start, stop or migrate of a replica.

    Attributes:
        wave: moves of a lower wave end before a higher one begins.
        old_replica: leaves, "" for a start. new_replica: arrives, "" for a stop.
        urgent_until: the deadline that an interruption notice sets, None otherwise.
        attempt: actions are keyed by (plan, move, attempt).
    """

    id: str
    plan: str
    wave: int
    kind: MoveKind
    deployment: str
    old_replica: str
    new_replica: str
    reason: str
    state: MoveState = MoveState.REQUESTED
    attempt: int = 1
    urgent_until: datetime | None = None
    started_at: datetime | None = None
    shifted_at: datetime | None = None
    ended_at: datetime | None = None
    deadline: datetime | None = None
    in_flight_at_shift: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class NewReplica:
    """A replica a plan creates. Ids are chosen by the planner, so that applying twice creates once."""

    id: str
    deployment: str
    shape: str
    cluster: str
    nodes: tuple[str, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node a plan launches."""

    id: str
    cluster: str
    offer_id: str


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether the plan is worth its disruption.

    Attributes:
        score: savings share / disruption share; at or above ``threshold`` the plan passes.
        forced: True where moves are needed for correctness (demand, loss, drain), whatever they cost.
    """

    passes: bool
    forced: bool
    score: float
    threshold: float
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered moves from here to the target.

    Attributes:
        snapshot_version: the snapshot it was made from; revalidated before each wave.
        epoch: leader epoch that made it; an older epoch changes nothing.
        trigger: what woke the decision.
        releases: nodes that are terminated once empty.
    """

    id: str
    created_at: datetime
    snapshot_version: int
    epoch: int
    trigger: str
    target: Target
    new_nodes: tuple[NewNode, ...]
    new_replicas: tuple[NewReplica, ...]
    moves: tuple[Move, ...]
    releases: tuple[str, ...]
    cost_before_micro_usd_per_h: int
    cost_after_micro_usd_per_h: int
    gate: GateVerdict
    state: PlanState = PlanState.PROPOSED
    decided_by: str = ""
    ended_at: datetime | None = None
