"""Launches and releases when everything goes wrong: no orphan, no machine twice, over a thousand seeded runs.

Real steps and the real executor; the cloud loses answers, makes a machine and says it failed, fills orders in part, lists late,
and the process is killed between an intent and its answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from itertools import count

import pytest

from scheduler.domain.errors import ProviderError, QuotaExceededError, RateLimitedError, StockoutError, TransientError
from scheduler.domain.fleet import Node
from scheduler.domain.lifecycle import NODE_ENDED, REPLICA_ENDED, NodeState
from scheduler.domain.ports import CloudNode, LaunchRequest
from scheduler.reconciler import Executor, Outcome, TerminateNode, absorb
from tests.builders import move, plan
from tests.unit.reconciler.bench import OFFER, Bench, new_node, new_replica

RUNS = 1000
PREFIX = "headrace-"
TURNS = 60
REFUSALS = (StockoutError("aws", "none"), QuotaExceededError("aws", "limit"), RateLimitedError("aws", "slow"))


class Cloud:
    """Machines by id. Where a vendor has idempotency tokens a repeated launch finds its machine; lists lag only there."""

    def __init__(self, die: random.Random) -> None:
        self.die, self.idempotent, self.calm = die, die.random() < 0.5, False
        self.machines: dict[str, CloudNode] = {}
        self.hidden: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self._numbers = count(1)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        token = request.launch_token
        self._maybe(0.15, TransientError("aws", "timed out before anything was made"))
        if not self.calm and self.die.random() < 0.15:
            raise self.die.choice(REFUSALS)
        living = [machine for machine in self.machines.values() if machine.launch_token == token and machine.running]
        if living and self.idempotent:
            machine = living[0]
        else:
            machine = CloudNode(f"i-{next(self._numbers)}", token, True, "us-east-1", "us-east-1a")
            self.machines[machine.provider_node_id] = machine
            self.hidden[machine.provider_node_id] = self.die.randint(0, 2) if self.idempotent and not self.calm else 0
        self.most[token] = max(self.most.get(token, 0), sum(m.running and m.launch_token == token for m in self.machines.values()))
        self._maybe(0.25, TransientError("aws", "the machine was made and the answer lost"))
        return machine

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        return [machine for machine in await self.list_nodes() if machine.launch_token == launch_token]

    async def list_nodes(self) -> Sequence[CloudNode]:
        self._maybe(0.1, TransientError("aws", "list failed"))
        seen = [machine for key, machine in self.machines.items() if self.hidden.get(key, 0) <= 0]
        self.hidden = {key: left - 1 for key, left in self.hidden.items()}
        return seen

    async def terminate(self, node: CloudNode) -> None:
        self._maybe(0.15, TransientError("aws", "timed out"))
        if node.provider_node_id in self.machines:
            del self.machines[node.provider_node_id]
        self._maybe(0.1, TransientError("aws", "gone, and the answer lost"))

    def _maybe(self, chance: float, error: ProviderError) -> None:
        if not self.calm and self.die.random() < chance:
            raise error


class Run:
    """Two launches under way while the world misbehaves, then a calm in which everything must settle."""

    def __init__(self, seed: int) -> None:
        self.die = random.Random(seed)
        self.cloud = Cloud(self.die)
        self.bench = Bench.of()
        self.executor = Executor({("aws", "default"): self.cloud}, self.describe)
        nodes = [new_node(f"n{index}") for index in range(2)]
        replicas = [new_replica(f"r{index}", f"n{index}") for index in range(2)]
        self.bench.accept(
            plan("p1", new_replicas=replicas, new_nodes=nodes, moves=[move(f"m-{r.id}", new=r.id, plan="p1") for r in replicas])
        )

    async def describe(self, node: Node) -> LaunchRequest:
        return LaunchRequest(node.id, node.cluster, node.launch_token, OFFER, "")

    async def turn(self) -> None:
        """A step, its actions, and perhaps a death before, between or after them."""
        actions = list(self.bench.step().actions)
        self.die.shuffle(actions)
        for action in actions:
            if not self.cloud.calm and self.die.random() < 0.1:
                return  # killed: intents are stored, nothing was asked
            outcome: list[Outcome] = await self.executor.run([action])
            if not self.cloud.calm and self.die.random() < 0.1:
                return  # killed: the call took effect and its answer was never stored
            self.bench.write(absorb(self.bench.sight(), outcome))
            if isinstance(action, TerminateNode):
                self.bench.joined.discard(action.node.id)
        self.bench.pass_time(self.die.choice((1, 5, 30)))

    async def play(self) -> None:
        for turn in range(TURNS):
            self.cloud.calm = turn >= TURNS // 2
            if turn == TURNS // 2 and self.die.random() < 0.5:
                for replica in list(self.bench.memory.replicas.values()):
                    if replica.state not in REPLICA_ENDED:
                        self.bench.engines.pop(replica.id, None)
            await self.turn()
        for _ in range(3):  # as the loop does again and again: a list may lag behind
            await self.executor.sweep(PREFIX, self.living)

    async def living(self) -> set[str]:
        return {node.launch_token for node in self.bench.memory.nodes.values() if node.state not in NODE_ENDED}

    def check(self) -> None:
        running = [machine.launch_token for machine in self.cloud.machines.values() if machine.running]
        assert len(running) == len(set(running)), f"machines twice: {running}"
        wanted = {n.launch_token: n for n in self.bench.memory.nodes.values() if n.state in (NodeState.JOINING, NodeState.READY)}
        assert set(running) == set(wanted), f"running {sorted(running)}, wanted {sorted(wanted)}"
        ids = {machine.provider_node_id for machine in self.cloud.machines.values()}
        assert {node.provider_node_id for node in wanted.values()} == ids
        if self.cloud.idempotent:
            assert max(self.cloud.most.values(), default=0) <= 1, f"launched twice: {self.cloud.most}"


@pytest.mark.parametrize("start", range(0, RUNS, 100))
def test_no_orphan_and_no_machine_twice(start: int) -> None:
    for seed in range(start, start + 100):
        run = Run(seed)
        asyncio.run(run.play())
        try:
            run.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
