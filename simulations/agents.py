"""Simulated cluster agents: machines join and engines start after their time, and vanish with their machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from providers.simulated.cloud import SimulatedCloud
from scheduler.domain.agentstate import DesiredReplica, ObservedNode, ObservedReplica, ObservedState
from scheduler.domain.lifecycle import ReplicaState
from simulations.memory import Memory

LEASE = timedelta(minutes=2)


@dataclass(slots=True)
class _Engine:
    wish: DesiredReplica
    started_at: datetime
    in_flight: int = 0


class SimulatedAgent:
    """One cluster's agent on the fake clock. ``join_s`` and ``start_s`` are how long machines and engines take."""

    def __init__(self, cluster: str, cloud: SimulatedCloud, memory: Memory, *, join_s: float, start_s: float) -> None:
        self.cluster, self._cloud, self._memory = cluster, cloud, memory
        self._join_s, self._start_s = join_s, start_s
        self._engines: dict[str, _Engine] = {}

    async def tick(self, now: datetime, load: Callable[[str], int], accelerators: Mapping[str, int]) -> None:
        """Reconcile with the desired state and report. ``load`` gives the requests in flight on a replica."""
        joined = {
            holding.node
            for holding in self._cloud.market.holdings(self._cloud.cloud)
            if holding.cluster == self.cluster and (now - holding.since).total_seconds() >= self._join_s
        }
        desired = await self._memory.desired(self.cluster)
        wanted = {wish.replica: wish for wish in desired.replicas} if desired is not None else {}
        self._engines = {
            name: engine for name, engine in self._engines.items() if name in wanted and all(node in joined for node in engine.wish.nodes)
        }
        for name, wish in wanted.items():
            if name not in self._engines and all(node in joined for node in wish.nodes):
                self._engines[name] = _Engine(wish, now)
        report = ObservedState(
            cluster=self.cluster,
            applied_epoch=desired.epoch if desired is not None else 0,
            applied_version=desired.version if desired is not None else 0,
            observed_at=now,
            nodes=tuple(ObservedNode(node, True, accelerators.get(node, 1)) for node in sorted(joined)),
            replicas=tuple(self._observe(name, engine, now, load) for name, engine in sorted(self._engines.items())),
            ray_address="simulated",
            agent_version="simulated",
        )
        await self._memory.report(report, now + LEASE)

    def _observe(self, name: str, engine: _Engine, now: datetime, load: Callable[[str], int]) -> ObservedReplica:
        ready = (now - engine.started_at).total_seconds() >= self._start_s
        return ObservedReplica(
            replica=name,
            generation=engine.wish.generation,
            state=ReplicaState.READY if ready else ReplicaState.STARTING,
            node=engine.wish.nodes[0],
            endpoint=f"sim:{name}" if ready else "",
            in_flight=load(name) if ready else 0,
        )

    def serves(self, replica: str, now: datetime) -> bool:
        """True where the engine really answers at this moment."""
        engine = self._engines.get(replica)
        return engine is not None and (now - engine.started_at).total_seconds() >= self._start_s
