"""The store ports in memory, for a loop that runs on a fake clock in one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from scheduler.domain.agentstate import DesiredState, ObservedState
from scheduler.domain.errors import ConflictError, FencedError, NoSuchError
from scheduler.domain.events import Event, EventKind, Notice
from scheduler.domain.evidence import Exposure, LaunchRecord
from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.lifecycle import MOVE_ENDED, NODE_ENDED, REPLICA_ENDED, PlanState, Schedulability
from scheduler.domain.plan import Move, Plan
from scheduler.domain.ports import Limits
from scheduler.domain.stores import ChangeSet, Fleet, Run


class Memory:
    """Implements FleetStore, PlanStore, AgentStore, EvidenceStore, EventLog and LeaseStore with the rules of the real ones."""

    def __init__(self) -> None:
        self.clusters: dict[str, Cluster] = {}
        self.nodes: dict[str, Node] = {}
        self.replicas: dict[str, Replica] = {}
        self.all_moves: dict[str, Move] = {}
        self.all_plans: dict[str, Plan] = {}
        self.wishes: dict[str, DesiredState] = {}
        self.reports: dict[str, tuple[ObservedState, datetime]] = {}
        self.notices: dict[tuple[str, EventKind], Notice] = {}
        self.handled: set[tuple[str, EventKind]] = set()
        self.learned: dict[str, LaunchRecord] = {}
        self.log: list[Event] = []
        self.epoch = 0
        self.holder = ""
        self.lease_until: datetime | None = None

    # FleetStore

    async def fleet(self) -> Fleet:
        """What has not ended, and the plan under way."""
        applying = [plan for plan in self.all_plans.values() if plan.state is PlanState.APPLYING]
        plan = max(applying, key=lambda each: each.created_at, default=None)
        moves = [m for m in self.all_moves.values() if m.state not in MOVE_ENDED or (plan is not None and m.plan == plan.id)]
        return Fleet(
            clusters=tuple(self.clusters.values()),
            nodes=tuple(node for node in self.nodes.values() if node.state not in NODE_ENDED),
            replicas=tuple(replica for replica in self.replicas.values() if replica.state not in REPLICA_ENDED),
            moves=tuple(moves),
            plan=plan,
            desired=tuple(self.wishes.values()),
        )

    async def commit(self, changes: ChangeSet, epoch: int) -> None:
        """All or nothing; refuses an older epoch."""
        if epoch != self.epoch:
            raise FencedError(epoch, self.epoch)
        for cluster in changes.clusters:
            kept = self.clusters[cluster.id].schedulability
            self.clusters[cluster.id] = replace(cluster, schedulability=kept)
        self.nodes |= {node.id: node for node in changes.nodes}
        self.replicas |= {replica.id: replica for replica in changes.replicas}
        self.all_moves |= {move.id: move for move in changes.moves}
        self.all_plans |= {plan.id: plan for plan in changes.plans}
        self.wishes |= {wish.cluster: wish for wish in changes.desired}
        self.log += changes.events
        handled = set(changes.handled_notices)
        self.handled |= {key for key in self.notices if f"{key[0]}/{key[1].value}" in handled}

    async def put_clusters(self, clusters: Sequence[Cluster]) -> None:
        """Insert."""
        self.clusters |= {cluster.id: cluster for cluster in clusters}

    async def set_schedulability(self, cluster: str, value: Schedulability) -> Cluster:
        """Raises NoSuchError."""
        if cluster not in self.clusters:
            raise NoSuchError("cluster", cluster)
        self.clusters[cluster] = replace(self.clusters[cluster], schedulability=value)
        return self.clusters[cluster]

    async def ended_replicas(self, since: datetime) -> Sequence[Replica]:
        """Replicas that ended since."""
        return [r for r in self.replicas.values() if r.ended_at is not None and r.ended_at >= since]

    # PlanStore

    async def plan(self, plan_id: str) -> Plan:
        """Raises NoSuchError."""
        if plan_id not in self.all_plans:
            raise NoSuchError("plan", plan_id)
        return self.all_plans[plan_id]

    async def plans(self, limit: int) -> Sequence[Plan]:
        """Newest first."""
        return sorted(self.all_plans.values(), key=lambda plan: plan.created_at, reverse=True)[:limit]

    async def moves(self, plan_id: str | None, limit: int) -> Sequence[Move]:
        """Newest first."""
        found = [move for move in self.all_moves.values() if plan_id in (None, move.plan)]
        return list(reversed(found))[:limit]

    async def propose(self, plan: Plan) -> None:
        """Store a previewed plan."""
        self.all_plans[plan.id] = plan

    async def decide(self, plan_id: str, state: PlanState, decided_by: str) -> Plan:
        """Raises ConflictError unless it is proposed."""
        plan = await self.plan(plan_id)
        if plan.state is not PlanState.PROPOSED:
            raise ConflictError(f"plan {plan_id} is {plan.state}")
        self.all_plans[plan_id] = replace(plan, state=state, decided_by=decided_by)
        return self.all_plans[plan_id]

    # AgentStore

    async def desired(self, cluster: str) -> DesiredState | None:
        """What the cluster was last asked to run."""
        return self.wishes.get(cluster)

    async def report(self, observed: ObservedState, lease_until: datetime) -> None:
        """Keep the latest."""
        self.reports[observed.cluster] = (observed, lease_until)

    async def observations(self) -> Sequence[tuple[ObservedState, datetime]]:
        """Last report of every cluster."""
        return list(self.reports.values())

    async def put_notice(self, notice: Notice) -> None:
        """Idempotent per (node, kind)."""
        self.notices.setdefault((notice.node, notice.kind), notice)

    async def open_notices(self) -> Sequence[Notice]:
        """Not yet handled."""
        return [notice for key, notice in self.notices.items() if key not in self.handled]

    # EvidenceStore

    async def limits(self) -> Limits:
        """Filled by the world."""
        return Limits()

    async def put_records(self, records: Sequence[LaunchRecord]) -> None:
        """Remember what launches taught."""
        self.learned |= {record.scope: record for record in records}

    async def records(self, changed_since: datetime) -> Mapping[str, LaunchRecord]:
        """What still says something."""
        return {key: each for key, each in self.learned.items() if max(each.changed_at, each.until or each.changed_at) >= changed_since}

    async def exposures(self, since: datetime, now: datetime) -> Mapping[str, Exposure]:
        """Nothing: what a simulated market takes back it tells in its offers."""
        return {}

    # EventLog

    async def append(self, events: Sequence[Event]) -> None:
        """Add."""
        self.log += events

    async def after(self, sequence: int, limit: int) -> Sequence[tuple[int, Event]]:
        """Events after a sequence number."""
        return [(index + 1, event) for index, event in enumerate(self.log)][sequence : sequence + limit]

    async def latest(self, limit: int, kinds: Sequence[EventKind] = ()) -> Sequence[tuple[int, Event]]:
        """Newest first."""
        found = [(index + 1, event) for index, event in enumerate(self.log) if not kinds or event.kind in kinds]
        return list(reversed(found))[:limit]

    async def wait(self, sequence: int, timeout_s: float) -> bool:
        """Nothing waits on a fake clock."""
        return len(self.log) > sequence

    # LeaseStore

    async def acquire_leadership(self, holder: str, now: datetime, ttl_s: float) -> int | None:
        """One holder at a time; a new one gets a new epoch."""
        if holder != self.holder:
            self.holder, self.epoch = holder, self.epoch + 1
        return self.epoch

    async def release_leadership(self, holder: str, epoch: int) -> None:
        """Give up."""
        if holder == self.holder:
            self.holder = ""

    async def begin_run(self, job: str, run_date: date, now: datetime, stale_after_s: float) -> Run | None:
        """Jobs are not simulated; every run begins."""
        return Run(job, run_date, now, now)

    async def update_run(self, run: Run) -> None:
        """Jobs are not simulated."""

    async def runs(self, job: str, limit: int) -> Sequence[Run]:
        """Jobs are not simulated."""
        return []
