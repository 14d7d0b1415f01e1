"""The loop itself: numbered phases, each short, each resumable from what is stored.

1 lead · 2 observe · 3 reconcile · 4 act · 5 decide · 6 route. Decisions come from pure stages; the loop only carries values
between them and the world. Killed anywhere, the next leader continues from the rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from scheduler.control.decide import Decision, decide
from scheduler.control.errands import Errands
from scheduler.control.triggers import PERIODIC, misfit, standing, trouble, why
from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.errors import ConflictError, FencedError, IllegalTransitionError
from scheduler.domain.events import Event, EventKind
from scheduler.domain.evidence import LaunchBudget, LaunchRecord
from scheduler.domain.lifecycle import NodeState, PlanState
from scheduler.domain.offer import Offer
from scheduler.domain.plan import Plan
from scheduler.domain.ports import Clock, EdgePublisher
from scheduler.domain.routing import EdgeConfig
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import AgentStore, ChangeSet, EventLog, EvidenceStore, Fleet, FleetStore, LeaseStore, PlanStore, Workload
from scheduler.domain.units import usd_text
from scheduler.domain.workload import Deployment, EngineShape, Model
from scheduler.inventory.evidence import MEMORY, Place, launch_budget, learned
from scheduler.optimizer import SolveSettings, with_modelled_shapes
from scheduler.planner import PlanContext, PlanSettings, decision_view
from scheduler.reconciler import Executor, Outcome, ReconcileSettings, Sight, Step, TerminateNode, absorb, accept, step

if TYPE_CHECKING:
    from scheduler.optimizer.decompose.solve import Decomposed

log = structlog.get_logger(__name__)

RECENT_PLANS = 50
"""How far back a plan that is still under way is looked for."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Attributes are seconds unless they say otherwise.

    Attributes:
        lease_ttl_s: how long a silent leader keeps the lease.
        sweep_every_s: how often machines without a row are looked for.
        retry_s: how long a node whose action failed is left alone.
        optimise_every_s: how often prices alone may propose a move; trouble is answered at once.
        automatic: False leaves every plan to a person.
    """

    holder: str
    tick_s: float = 0.5
    lease_ttl_s: float = 5.0
    optimise_every_s: float = 120.0
    sweep_every_s: float = 60.0
    retry_s: float = 5.0
    automatic: bool = True
    reconcile: ReconcileSettings = field(default_factory=ReconcileSettings)
    solving: SolveSettings = field(default_factory=SolveSettings)
    planning: PlanSettings = field(default_factory=PlanSettings)


@dataclass(frozen=True, slots=True)
class LoopStores:
    """The memory the loop needs."""

    fleet: FleetStore
    agents: AgentStore
    plans: PlanStore
    evidence: EvidenceStore
    events: EventLog
    leases: LeaseStore


class EdgeView(Protocol):
    """What the edge sees of the endpoints."""

    async def look(self) -> tuple[Mapping[str, int], frozenset[str] | None]:
        """Requests in flight by endpoint, and the healthy endpoints (None where it cannot be asked)."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """What the loop asks of the rest of the program; bootstrap and the simulations wire it.

    Attributes:
        snapshot: assembles the present snapshot.
        launch: how an engine is started for a deployment.
        route: builds the edge table from the fleet.
    """

    snapshot: Callable[[datetime], Awaitable[Snapshot]]
    workload: Callable[[], Awaitable[Workload]]
    launch: Callable[[Deployment, Model, EngineShape], EngineLaunch]
    route: Callable[[Fleet, Workload], EdgeConfig]
    executor: Executor
    publisher: EdgePublisher
    edge: EdgeView


class ControlLoop:
    """Runs ticks; keeps nothing that Postgres does not, except what saves work."""

    def __init__(self, settings: LoopSettings, stores: LoopStores, world: World, clock: Clock) -> None:
        self._settings, self._stores, self._world, self._clock = settings, stores, world, clock
        self._epoch = 0
        self._errands = Errands(world.executor, settings.retry_s)
        self._swept_at: datetime | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._shapes: dict[str, EngineShape] = {}
        self._prices: dict[str, int] = {}
        self._decided_on: Hashable | None = None
        self._trouble: Hashable | None = None
        self._decided_at: datetime | None = None
        self._last_plan = ""
        self._solved: Decomposed | None = None
        self._proposed: Hashable | None = None
        self._stale = False
        self._failures = 0
        self._hold_until: datetime | None = None
        self._refused: frozenset[str] = frozenset()

    @property
    def epoch(self) -> int:
        """The epoch this process leads in; 0 while another leads."""
        return self._epoch

    @property
    def solved(self) -> Decomposed | None:
        """The last decision on a large fleet, for whoever has a question about it; None where the fleet is small or undecided."""
        return self._solved

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until told to stop, then hand the lease over at once."""
        while not stop.is_set():
            try:
                await self.tick()
            except FencedError as error:
                log.warning("leadership_lost", held=error.held, current=error.current)
                self._forget()
            except Exception:
                # One failed tick (Postgres restarting, say) must not end the loop: the next one starts from the rows.
                log.exception("tick_failed", epoch=self._epoch)
            try:
                await asyncio.wait_for(stop.wait(), self._settings.tick_s)
            except TimeoutError:
                continue
        self._errands.cancel()
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._epoch:
            await self._stores.leases.release_leadership(self._settings.holder, self._epoch)

    async def tick(self) -> bool:
        """One pass through the phases; False while another process leads."""
        now = self._clock()
        if not await self._lead(now):
            return False
        workload = await self._world.workload()
        sight = await self._observe(now, workload)
        done = self._errands.finished(now)
        if done:
            changes = absorb(sight, done)
            await self._learn(done, now)
            await self._stores.fleet.commit(changes, self._epoch)
            sight = replace(sight, fleet=await self._stores.fleet.fleet())
        sight = replace(sight, budgets=await self._budgets(sight.fleet, now))
        result = step(sight)
        self._report(result)
        await self._commit(result.changes)
        self._errands.start(result.actions, now)
        self._sweep(now)
        fleet = await self._decide(sight, workload, now)
        await self._route(fleet, workload, now)
        return True

    # 1 lead

    async def _lead(self, now: datetime) -> bool:
        epoch = await self._stores.leases.acquire_leadership(self._settings.holder, now, self._settings.lease_ttl_s)
        if epoch is None:
            self._forget()
            return False
        if epoch != self._epoch:
            self._forget()
            self._epoch = epoch
            log.info("leadership_taken", epoch=epoch, holder=self._settings.holder)
            message = f"{self._settings.holder} leads in epoch {epoch}"
            await self._stores.events.append([Event(EventKind.LEADER_CHANGED, now, self._settings.holder, message, {"epoch": epoch})])
        return True

    def _forget(self) -> None:
        self._epoch, self._decided_on, self._trouble, self._decided_at = 0, None, None, None

    # 2 observe

    async def _observe(self, now: datetime, workload: Workload) -> Sight:
        fleet = await self._stores.fleet.fleet()
        in_flight, healthy = await self._world.edge.look()
        observations = await self._stores.agents.observations()
        if not self._shapes.keys() >= {replica.shape for replica in fleet.replicas}:
            self._remember_shapes(await self._world.snapshot(now))
        self._shapes |= {shape.id: shape for shape in workload.shapes}
        return Sight(
            now=now,
            epoch=self._epoch,
            fleet=fleet,
            observed={state.cluster: (state, lease_until) for state, lease_until in observations},
            healthy=healthy,
            in_flight=in_flight,
            notices=tuple(await self._stores.agents.open_notices()),
            deployments={deployment.id: deployment for deployment in workload.deployments},
            shapes=self._shapes,
            launches=self._launches(workload),
            prices=self._prices,
            settings=self._settings.reconcile,
        )

    def _remember_shapes(self, snapshot: Snapshot) -> None:
        self._shapes |= {shape.id: shape for shape in with_modelled_shapes(snapshot).shapes}

    def _launches(self, workload: Workload) -> dict[tuple[str, str], EngineLaunch]:
        models = {model.id: model for model in workload.models}
        return {
            (deployment.id, shape.id): self._world.launch(deployment, models[deployment.model], shape)
            for deployment in workload.deployments
            for shape in self._shapes.values()
            if shape.model == deployment.model and shape.engine is deployment.engine and deployment.model in models
        }

    # 3 reconcile and 4 act

    async def _commit(self, changes: ChangeSet) -> None:
        if not changes.empty:
            await self._stores.fleet.commit(changes, self._epoch)
            for event in changes.events:
                log.info(event.kind.value, subject=event.subject, message=event.message)

    def _report(self, result: Step) -> None:
        """Rows that asked for an impossible transition stand still until the bug is mended; said once, not at every tick."""
        refused = frozenset(str(error) for error in result.refused)
        for message in sorted(refused - self._refused):
            log.error("row_stands_still", error=message)
        self._refused = refused

    def _sweep(self, now: datetime) -> None:
        """Look for orphans beside the loop. The rows are read after the machines, so a launch under way is never one."""
        due = self._swept_at is None or now - self._swept_at >= timedelta(seconds=self._settings.sweep_every_s)
        if due and (self._sweeping is None or self._sweeping.done()):
            self._swept_at = now
            self._sweeping = asyncio.ensure_future(self._sweep_once(now))

    async def _sweep_once(self, now: datetime) -> None:
        prefix = self._settings.reconcile.token_prefix
        for machine in await self._world.executor.sweep(prefix, self._living_tokens):
            log.warning("orphan_released", machine=machine.provider_node_id, token=machine.launch_token)
            message = f"machine {machine.provider_node_id} belonged to no node and was released"
            await self._stores.events.append([Event(EventKind.NODE_CHANGED, now, machine.launch_token, message)])

    async def _living_tokens(self) -> frozenset[str]:
        return frozenset(node.launch_token for node in (await self._stores.fleet.fleet()).nodes)

    async def _learn(self, done: list[Outcome], now: datetime) -> None:
        """What launches came to: a refusal pauses what it is about, a success opens it further."""
        records = dict(await self._stores.evidence.records(now - MEMORY))
        changed: dict[str, LaunchRecord] = {}
        for outcome in done:
            if not isinstance(outcome.action, TerminateNode):
                for record in learned(records, outcome.action.node, outcome.error, now):
                    records[record.scope] = changed[record.scope] = record
        if changed:
            await self._stores.evidence.put_records(tuple(changed.values()))

    async def _budgets(self, fleet: Fleet, now: datetime) -> dict[str, LaunchBudget]:
        """How many launches may be under way, for the offers that are about to be asked."""
        waiting = [node for node in fleet.nodes if node.state is NodeState.REQUESTED]
        records = await self._stores.evidence.records(now - MEMORY) if waiting else {}
        return {node.offer_id: launch_budget(Place.of_node(node), records, now) for node in waiting}

    # 5 decide

    async def _decide(self, sight: Sight, workload: Workload, now: datetime) -> Fleet:
        fleet = await self._stores.fleet.fleet()
        if fleet.plan is not None and fleet.plan.epoch == 0:
            return await self._accept_requested(sight, fleet, fleet.plan, now)
        if not self._settings.automatic:
            return fleet
        applying = fleet.plan is not None and fleet.plan.state is PlanState.APPLYING
        if self._last_plan and not applying:
            await self._weigh(self._last_plan, now)
        self._last_plan = fleet.plan.id if applying and fleet.plan is not None else ""
        due = self._decided_at is None or now - self._decided_at >= timedelta(seconds=self._settings.optimise_every_s)
        light = Snapshot(0, now, clusters=fleet.clusters, nodes=fleet.nodes, replicas=fleet.replicas, deployments=workload.deployments,
                         shapes=workload.shapes)  # fmt: skip
        view = decision_view(light, fleet.moves)
        fingerprint, worry = standing(view), trouble(view)
        held = applying or (self._hold_until is not None and now < self._hold_until)
        if held and worry == self._trouble:
            return fleet
        if not applying and not due and not self._stale and fingerprint == self._decided_on:
            return fleet
        self._stale = False
        periodic = due and self._decided_at is not None and fingerprint == self._decided_on
        trigger = why(self._decided_on, view, periodic=periodic)
        self._decided_on, self._trouble, self._decided_at = fingerprint, worry, now
        return await self._plan(sight, fleet, trigger, now)

    async def _weigh(self, plan_id: str, now: datetime) -> None:
        """A plan ended: what it left may want another. After failures in a row that one waits, ever longer: an engine that cannot
        start anywhere must not be tried at every tick."""
        self._stale = True
        failed = (await self._stores.plans.plan(plan_id)).state is PlanState.FAILED
        self._failures = self._failures + 1 if failed else 0
        wait_s = min(self._settings.retry_s * 2 ** min(self._failures - 1, 16), self._settings.optimise_every_s)
        self._hold_until = now + timedelta(seconds=wait_s) if self._failures else None

    async def _plan(self, sight: Sight, fleet: Fleet, trigger: str, now: datetime) -> Fleet:
        snapshot = await self._world.snapshot(now)
        self._prices = {offer.id: offer.price_micro_usd_per_h for offer in snapshot.offers}
        context = PlanContext(f"p{now:%y%m%d%H%M%S}{snapshot.version % 1000:03d}", now, self._epoch, trigger)
        # Trouble is answered from the last decision; prices alone are looked at from nothing, for they may want a different whole.
        last = None if trigger == PERIODIC else self._solved
        solving = asyncio.to_thread(decide, snapshot, fleet.moves, context, self._settings.solving, self._settings.planning, last)
        decision = await self._while_leading(solving)
        self._solved = decision.solved
        plan = decision.plan
        log.info("plan_decided", plan=plan.id, trigger=trigger, moves=len(plan.moves), releases=len(plan.releases), gap=plan.target.gap,
                 solve_ms=plan.target.solve_ms, gate=plan.gate.text)  # fmt: skip
        if decision.violations:
            log.error("plan_refused_by_checker", plan=plan.id, violations=[v.text for v in decision.violations])
            return fleet
        await self._tell_conflict(decision, now)
        if decision.empty:
            return fleet
        if not plan.gate.passes:
            await self._propose(plan, now)
            return fleet
        self._shapes |= {shape.id: shape for shape in decision.snapshot.shapes}
        offers = {offer.id: offer for offer in snapshot.offers}
        return await self._begin(sight, plan, offers, "the control loop", now)

    async def _while_leading(self, solving: Coroutine[Any, Any, Decision]) -> Decision:
        """Wait for the solver and keep the lease meanwhile: a solve may take longer than the lease.

        Raises:
            FencedError: another process took over; what the solver found is dropped.
        """
        task = asyncio.ensure_future(solving)
        while not (await asyncio.wait({task}, timeout=self._settings.lease_ttl_s / 3))[0]:
            epoch = await self._stores.leases.acquire_leadership(self._settings.holder, self._clock(), self._settings.lease_ttl_s)
            if epoch != self._epoch:
                raise FencedError(self._epoch, epoch or self._epoch + 1)
        return await task

    async def _tell_conflict(self, decision: Decision, now: datetime) -> None:
        if decision.conflict is not None:
            text = "; ".join((*decision.conflict.conflicts, *decision.conflict.remedies))
            await self._stores.events.append([Event(EventKind.PLAN_CHANGED, now, decision.plan.id, f"not everything can be met: {text}")])

    async def _propose(self, plan: Plan, now: datetime) -> None:
        """Show people what was judged not worth it, once per distinct content."""
        content = (tuple((m.kind, m.deployment, m.old_replica) for m in plan.moves), plan.cost_after_micro_usd_per_h)
        if content != self._proposed:
            self._proposed = content
            await self._stores.plans.propose(plan)
            message = f"plan {plan.id} is proposed, not applied: {plan.gate.text}"
            await self._stores.events.append([Event(EventKind.PLAN_CHANGED, now, plan.id, message, {"state": plan.state.value})])

    async def _accept_requested(self, sight: Sight, fleet: Fleet, plan: Plan, now: datetime) -> Fleet:
        """A person applied a previewed plan: begin it if the world still is what it was made from, else say why not."""
        snapshot = await self._world.snapshot(now)
        self._remember_shapes(snapshot)
        self._decided_at, self._decided_on = now, None
        offers = {offer.id: offer for offer in snapshot.offers}
        problem = misfit(fleet, plan)
        if not problem:
            begun = await self._begin(sight, plan, offers, plan.decided_by or "a person", now)
            problem = "one of its offers is gone" if begun.plan is not None and not begun.plan.epoch else ""
        if problem:
            refused = replace(plan, state=PlanState.SUPERSEDED, ended_at=now)
            message = f"plan {plan.id} no longer fits: {problem}; make a new plan"
            event = Event(EventKind.PLAN_CHANGED, now, plan.id, message, {"state": PlanState.SUPERSEDED.value})
            await self._commit(ChangeSet(plans=(refused,), events=(event,)))
        return await self._stores.fleet.fleet()

    async def _begin(self, sight: Sight, plan: Plan, offers: dict[str, Offer], by: str, now: datetime) -> Fleet:
        fleet = await self._stores.fleet.fleet()
        under_way = fleet.plan
        if under_way is not None and under_way.id == plan.id:
            # A plan that a person applied hides the one it takes over from.
            newest = await self._stores.plans.plans(RECENT_PLANS)
            under_way = next((p for p in newest if p.state is PlanState.APPLYING and p.epoch > 0 and p.id != plan.id), None)
        try:
            changes = accept(replace(sight, fleet=replace(fleet, plan=under_way), now=now), plan, offers, by)
        except (ConflictError, IllegalTransitionError) as error:
            log.warning("plan_not_begun", plan=plan.id, error=str(error))
            return fleet
        log.info("plan_begun", plan=plan.id, cost_before=usd_text(plan.cost_before_micro_usd_per_h), moves=len(plan.moves))
        await self._commit(changes)
        return await self._stores.fleet.fleet()

    # 6 route

    async def _route(self, fleet: Fleet, workload: Workload, now: datetime) -> None:
        config = self._world.route(fleet, workload)
        if await self._world.publisher.publish(config):
            count = sum(len(locality.endpoints) for backend in config.backends for locality in backend.localities)
            message = f"edge table published: {len(config.backends)} deployments, {count} endpoints"
            await self._stores.events.append([Event(EventKind.EDGE_PUBLISHED, now, "edge", message, {"endpoints": count})])
