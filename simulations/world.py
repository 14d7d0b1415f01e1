"""The seeded world: a fake clock, a market of clouds, simulated agents, and the very control loop that production runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from providers.simulated.base import base_offers
from providers.simulated.cloud import SimulatedCloud
from providers.simulated.market import Market
from providers.simulated.shelf import Temper
from scheduler.api.declare import Declaration, declare
from scheduler.api.declare import Market as Places
from scheduler.bootstrap.wire import launch_of, route
from scheduler.control import ControlLoop, LoopSettings, LoopStores
from scheduler.control import World as LoopWorld
from scheduler.domain.fleet import Node
from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.offer import Quota
from scheduler.domain.ports import LaunchRequest, Limits
from scheduler.domain.routing import EdgeConfig
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import Workload
from scheduler.inventory.assemble import World as Stock
from scheduler.inventory.assemble import snapshot_of
from scheduler.inventory.evidence import MEMORY
from scheduler.optimizer import SolveSettings
from scheduler.reconciler import Executor, ReconcileSettings
from simulations.agents import SimulatedAgent
from simulations.memory import Memory
from simulations.scenario import Scenario

ACCOUNT = "simulated"


class SimulatedWorld:
    """Everything one run holds. The same scenario and seed give the same run, tick by tick."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario, self.now = scenario, scenario.starts_at
        offers = base_offers(scenario.clouds)
        self.market = Market(seed, offers, Temper(volatility=scenario.volatility, tick_s=scenario.tick_s))
        self.clouds = {cloud: SimulatedCloud(cloud, self.market, self.clock) for cloud in scenario.clouds}
        self.memory = Memory()
        self.table = EdgeConfig()
        self.declared: Declaration = declare(scenario.fleet, Places.of(offers), Workload(), (), scenario.starts_at.date())
        self.workload = replace(
            self.declared.workload, deployments=tuple(replace(d, generation=1) for d in self.declared.workload.deployments)
        )
        self.agents = {
            cluster.id: SimulatedAgent(
                cluster.id, self.clouds[cluster.provider], self.memory, join_s=scenario.join_s, start_s=scenario.engine_start_s
            )
            for cluster in self.declared.clusters
        }
        self._draining: dict[str, datetime] = {}
        self.loop = self._build_loop()

    def clock(self) -> datetime:
        """The fake present."""
        return self.now

    def _build_loop(self) -> ControlLoop:
        launchers = {(cloud, ACCOUNT): simulated for cloud, simulated in self.clouds.items()}
        world = LoopWorld(
            snapshot=self.snapshot,
            workload=self._workload,
            launch=launch_of,
            route=route,
            executor=Executor(launchers, self._describe),
            publisher=self,
            edge=self,
        )
        settings = LoopSettings(
            holder="simulation",
            optimise_every_s=self.scenario.optimise_every_s,
            reconcile=ReconcileSettings(drain_timeout_s=self.scenario.drain_s, token_prefix="headrace-sim-"),  # noqa: S106 (a tag)
            solving=SolveSettings(explain=False),
        )
        stores = LoopStores(self.memory, self.memory, self.memory, self.memory, self.memory, self.memory)
        return ControlLoop(settings, stores, world, self.clock)

    async def tick(self) -> None:
        """Advance the clock, let the clouds and the agents live, then the loop."""
        self.now += timedelta(seconds=self.scenario.tick_s)
        for cloud in self.clouds.values():
            cloud.advance()
        for cloud in self.clouds.values():
            nodes = {node.provider_node_id: node.id for node in self.memory.nodes.values() if node.provider_node_id}
            for machine, notice in await cloud.read_notices():
                if machine in nodes:
                    await self.memory.put_notice(replace(notice, node=nodes[machine]))
        sizes = {node.id: node.instance_type.accelerator_count for node in self.memory.nodes.values()}
        for agent in self.agents.values():
            await agent.tick(self.now, self._load, sizes)
        await self.loop.tick()
        # Actions run beside the loop; in memory they need only a few turns of the event loop.
        for _ in range(5):
            await asyncio.sleep(0)

    async def start(self) -> None:
        """Declare the clusters."""
        await self.memory.put_clusters(self.declared.clusters)

    async def snapshot(self, now: datetime) -> Snapshot:
        """Through the inventory's own rules."""
        fleet = await self.memory.fleet()
        limits = Limits(quotas=self._quotas())
        stock = Stock(self.market.offers(), (), limits, await self.memory.records(now - MEMORY), self.workload, fleet)
        return snapshot_of(stock, now)

    def _quotas(self) -> tuple[Quota, ...]:
        return tuple(replace(quota, account=ACCOUNT) for quota in self.market.quotas())

    async def _workload(self) -> Workload:
        return self.workload

    async def _describe(self, node: Node) -> LaunchRequest:
        return LaunchRequest(node.id, node.cluster, node.launch_token, self.market.offer(node.offer_id), "")

    def _load(self, replica: str) -> int:
        """Requests in flight: some while it is routed to, then its open streams run out."""
        row = self.memory.replicas.get(replica)
        if row is None or row.weight > 0:
            self._draining.pop(replica, None)
            return 4 if row is not None else 0
        since = self._draining.setdefault(replica, self.now)
        return 4 if (self.now - since).total_seconds() < self.scenario.stream_s else 0

    def capacity(self) -> Mapping[str, float]:
        """Tokens per second that really answer, by deployment: engines up on living machines, as far as the edge routes there."""
        rates = {shape.id: shape.rate("all") for shape in self.workload.shapes}
        served: dict[str, float] = dict.fromkeys((d.id for d in self.workload.deployments), 0.0)
        for replica in self.memory.replicas.values():
            routed = replica.weight > 0 and replica.state in (ReplicaState.READY, ReplicaState.SUSPECT)
            if routed and self.agents[replica.cluster].serves(replica.id, self.now):
                served[replica.deployment] = served.get(replica.deployment, 0.0) + rates[replica.shape] * replica.weight / 100
        return served

    # EdgePublisher and EdgeView

    async def publish(self, config: EdgeConfig) -> bool:
        """Keep the table."""
        changed, self.table = config != self.table, config
        return changed

    async def look(self) -> tuple[Mapping[str, int], frozenset[str] | None]:
        """Every endpoint that answers is healthy."""
        healthy = {r.endpoint for r in self.memory.replicas.values() if r.endpoint and self.agents[r.cluster].serves(r.id, self.now)}
        return {}, frozenset(healthy)
