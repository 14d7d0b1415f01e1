"""Everything one step may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scheduler.domain.agentstate import EngineLaunch, ObservedState
from scheduler.domain.events import Notice
from scheduler.domain.evidence import LaunchBudget
from scheduler.domain.stores import Fleet
from scheduler.domain.workload import Deployment, EngineShape


@dataclass(frozen=True, slots=True)
class ReconcileSettings:
    """Deadlines, in seconds. Every waiting state has one.

    Attributes:
        shift_step_s: how long old and new share traffic before all of it goes to the new replica.
        edge_wait_s: how long the edge may take to find the new replica healthy; the old one serves on until then.
        settle_s: how long a drained replica must look empty before it is stopped (the edge needs time to take a table).
        evacuate_s: how long before its node is reclaimed a replica stops taking requests, if others of its deployment serve.
        lost_after_s: a silent cluster is given up after this time even if nobody can say that its endpoints are dead.
        token_prefix: how the launch tokens of this installation begin; it keeps two of them in one account apart.
        vanished_grace_s: how long a joined node may be missing from complete reports before it counts as lost.
    """

    launch_timeout_s: float = 300
    join_timeout_s: float = 900
    shift_step_s: float = 1.0
    edge_wait_s: float = 60.0
    settle_s: float = 2.0
    drain_timeout_s: float = 600
    stop_timeout_s: float = 60
    evacuate_s: float = 20.0
    lost_after_s: float = 300
    vanished_grace_s: float = 5.0
    token_prefix: str = "headrace-"  # noqa: S105 (a tag, not a secret)


@dataclass(frozen=True, slots=True)
class Sight:
    """The full observation.

    Attributes:
        observed: last report by cluster, with the end of the lease it came under.
        healthy: endpoints (``host:port``) the edge finds healthy; None where the edge cannot be asked.
        in_flight: requests by endpoint as the edge counts them.
        prices: what offers cost now, micro-USD per hour, as far as known; spot nodes follow their market.
        launches: how to start an engine, by (deployment, shape).
        budgets: how many launches of an offer may be under way at once, by offer id; an offer that is missing has no limit.
    """

    now: datetime
    epoch: int
    fleet: Fleet
    observed: Mapping[str, tuple[ObservedState, datetime]] = field(default_factory=dict)
    healthy: frozenset[str] | None = None
    in_flight: Mapping[str, int] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    deployments: Mapping[str, Deployment] = field(default_factory=dict)
    shapes: Mapping[str, EngineShape] = field(default_factory=dict)
    prices: Mapping[str, int] = field(default_factory=dict)
    launches: Mapping[tuple[str, str], EngineLaunch] = field(default_factory=dict)
    budgets: Mapping[str, LaunchBudget] = field(default_factory=dict)
    settings: ReconcileSettings = field(default_factory=ReconcileSettings)
