"""The real control loop on the real store, in a calm simulated market: a process that can be killed at any write."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.simulated.base import base_offers
from providers.simulated.cloud import SimulatedCloud
from providers.simulated.market import Market
from providers.simulated.shelf import Temper
from scheduler.api.declare import Declaration, declare
from scheduler.api.declare import Market as Places
from scheduler.api.schema import parse_fleet
from scheduler.bootstrap.wire import launch_of, route
from scheduler.control import ControlLoop, LoopSettings, LoopStores, World
from scheduler.domain.fleet import Node
from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.ports import LaunchRequest, Limits
from scheduler.domain.routing import EdgeConfig
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import ChangeSet, Fleet, Workload
from scheduler.inventory.assemble import World as Stock
from scheduler.inventory.assemble import snapshot_of
from scheduler.inventory.evidence import MEMORY
from scheduler.optimizer import SolveSettings
from scheduler.reconciler import Executor, ReconcileSettings
from scheduler.store import Store
from simulations.agents import SimulatedAgent

TICK = timedelta(seconds=30)
CLOUDS = ("aws", "gcp")
REGIONS = {("aws", "us-east-1"), ("gcp", "us-central1")}
ACCELERATORS = ("L4-24GB-PCIe", "T4-16GB-PCIe")
FLEET = {
    "clusters": [
        {"id": "virginia", "provider": "aws", "region": "us-east-1", "account": "simulated"},
        {"id": "iowa", "provider": "gcp", "region": "us-central1", "account": "simulated"},
    ],
    "models": [
        {
            "id": "chat-8b",
            "source": "hub:example/chat",
            "parameters_b": 8,
            "shapes": [
                {"accelerator": "L4-24GB-PCIe", "tokens_per_s": 250},
                {"accelerator": "T4-16GB-PCIe", "tokens_per_s": 100},
            ],
        }
    ],
    "deployments": [
        {
            "id": "chat",
            "model": "chat-8b",
            "demand": [{"origin": "us", "tokens_per_s": 600}],
            "disruption": {"max_surge": 2},
            "rules": {"survivability": {"domain": "provider", "share": 0.4}, "capacity_types": ["on-demand"]},
        }
    ],
}


class KilledError(Exception):
    """``kill -9`` at this point."""


@dataclass
class Commits:
    """The fleet store, killed before or after one of its commits.

    Attributes:
        left: commits until the kill; None for never. after: the write took effect before the kill.
    """

    store: Store
    left: int | None = None
    after: bool = False

    async def fleet(self) -> Fleet:
        return await self.store.fleet.fleet()

    async def commit(self, changes: ChangeSet, epoch: int) -> None:
        doomed = self.left == 0
        if self.left is not None:
            self.left -= 1
        if doomed and not self.after:
            raise KilledError
        await self.store.fleet.commit(changes, epoch)
        if doomed:
            raise KilledError

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store.fleet, name)


class LoopWorld:
    """Clouds, agents and an edge around a loop that may be killed and started again."""

    def __init__(self, store: Store, *, automatic: bool = True) -> None:
        self.store, self.now, self.automatic = store, datetime(2026, 7, 20, tzinfo=UTC), automatic
        offers = tuple(o for o in base_offers(CLOUDS) if (o.provider, o.region) in REGIONS and o.instance_type.accelerator in ACCELERATORS)
        self.market = Market(1, offers, Temper(volatility=0.0, tick_s=30))
        self.clouds = {cloud: SimulatedCloud(cloud, self.market, self.clock) for cloud in CLOUDS}
        self.declared: Declaration = declare(parse_fleet(FLEET), Places.of(offers), Workload(), (), self.now.date())
        self.agents = [
            SimulatedAgent(cluster.id, self.clouds[cluster.provider], store.agents, join_s=60, start_s=60)  # type: ignore[arg-type]
            for cluster in self.declared.clusters
        ]
        self.commits = Commits(store)
        self.kills = 0
        self.table = EdgeConfig()
        self.loop = self.new_loop("one")

    def clock(self) -> datetime:
        return self.now

    def new_loop(self, holder: str) -> ControlLoop:
        launchers = {(cloud, "simulated"): launcher for cloud, launcher in self.clouds.items()}
        world = World(
            snapshot=self.snapshot,
            workload=self.store.workload.workload,
            launch=launch_of,
            route=route,
            executor=Executor(launchers, self._describe),
            publisher=self,
            edge=self,
        )
        reconcile = ReconcileSettings(token_prefix="headrace-test-")
        settings = LoopSettings(holder, reconcile=reconcile, solving=SolveSettings(explain=False), automatic=self.automatic)
        stores = self.store
        return ControlLoop(
            settings,
            LoopStores(self.commits, stores.agents, stores.plans, stores.evidence, stores.events, stores.leases),
            world,
            self.clock,
        )

    async def start(self) -> None:
        await self.store.fleet.put_clusters(self.declared.clusters)
        await self.store.workload.put(self.declared.workload)

    async def tick(self, count: int = 1) -> None:
        for _ in range(count):
            await self.live()
            try:
                await self.loop.tick()
            except KilledError:
                await self.kill()
            await self.errands()

    async def live(self) -> None:
        """Time passes for clouds and agents."""
        self.now += TICK
        for cloud in self.clouds.values():
            cloud.advance()
        fleet = await self.store.fleet.fleet()
        sizes = {node.id: node.instance_type.accelerator_count for node in fleet.nodes}
        for agent in self.agents:
            await agent.tick(self.now, lambda _: 0, sizes)

    async def errands(self) -> None:
        """Whatever the loop started beside itself comes to its end."""
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        own = [task for task in tasks if "Executor" in repr(task.get_coro()) or "_sweep" in repr(task.get_coro())]
        await asyncio.gather(*own, return_exceptions=True)

    async def kill(self) -> None:
        """The process is gone with everything it had under way; another takes over when the lease has run out."""
        for task in asyncio.all_tasks():
            if "Executor" in repr(task.get_coro()) or "_sweep" in repr(task.get_coro()):
                task.cancel()
        self.kills += 1
        self.commits.left = None
        self.loop = self.new_loop(f"holder {self.kills}")

    async def snapshot(self, now: datetime) -> Snapshot:
        records = await self.store.evidence.records(now - MEMORY)
        workload, fleet = await self.store.workload.workload(), await self.store.fleet.fleet()
        quotas = tuple(replace(quota, account="simulated") for quota in self.market.quotas())
        return snapshot_of(Stock(self.market.offers(), (), Limits(quotas=quotas), records, workload, fleet), now)

    async def scale(self, tokens_per_s: float) -> None:
        """Other demand than declared so far."""
        (deployment,) = self.declared.workload.deployments
        (demand,) = deployment.demand
        changed = replace(deployment, demand=(replace(demand, tokens_per_s=tokens_per_s),))
        await self.store.workload.put(Workload(deployments=(changed,)))

    async def _describe(self, node: Node) -> LaunchRequest:
        return LaunchRequest(node.id, node.cluster, node.launch_token, self.market.offer(node.offer_id), "")

    async def publish(self, config: EdgeConfig) -> bool:
        changed, self.table = config != self.table, config
        return changed

    async def look(self) -> tuple[Mapping[str, int], frozenset[str] | None]:
        return {}, None

    # what is

    async def standing(self) -> tuple[Counter[tuple[str, str]], Counter[str]]:
        """Ready replicas by (deployment, pool), and nodes by pool: the end state, without the ids that differ from run to run."""
        fleet = await self.store.fleet.fleet()
        assert all(replica.state is ReplicaState.READY for replica in fleet.replicas), [(r.id, r.state) for r in fleet.replicas]
        pools = {node.id: node.pool for node in fleet.nodes}
        return Counter((r.deployment, pools[r.nodes[0]]) for r in fleet.replicas), Counter(pools.values())

    async def machines_match_rows(self) -> bool:
        """One machine for each row, and none besides."""
        tokens = sorted(node.launch_token for node in (await self.store.fleet.fleet()).nodes)
        return sorted(holding.launch_token for holding in self.market.holdings()) == tokens
