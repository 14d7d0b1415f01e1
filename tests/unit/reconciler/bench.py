"""A fleet on a bench: the reconciler with a hand-moved clock, a cloud and an agent that do what the test says."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from scheduler.domain.agentstate import EngineLaunch, ObservedNode, ObservedReplica, ObservedState
from scheduler.domain.errors import ProviderError
from scheduler.domain.events import EventKind, Notice
from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.lifecycle import PlanState, ReplicaState
from scheduler.domain.plan import Move, NewNode, NewReplica, Plan
from scheduler.domain.ports import CloudNode
from scheduler.domain.stores import ChangeSet
from scheduler.domain.workload import Deployment, EngineKind, EngineShape
from scheduler.reconciler import Action, FindNode, LaunchNode, Outcome, ReconcileSettings, Sight, Step, TerminateNode, absorb, accept, step
from simulations.memory import Memory
from tests.builders import NOW, cluster, deployment, offer, shape

OFFER = offer()
CLUSTER = "aws-us-east-1"
LAUNCH = EngineLaunch(EngineKind.VLLM, ("engine",), "weights", "m", start_timeout_s=300)
SETTINGS = ReconcileSettings(drain_timeout_s=100, settle_s=2, shift_step_s=1)
T = TypeVar("T")


def done(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never has to wait, as the memory's never do."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("it waited")


@dataclass
class Bench:
    """The stored rows, the world around them, and one method for each thing that can happen.

    Attributes:
        engines: what the agent says of each engine. machines: running machines by launch token, with how many carry it.
        joined: nodes that the agent sees. hears: False while desired states do not reach the agent.
    """

    memory: Memory = field(default_factory=Memory)
    now: datetime = NOW
    epoch: int = 1
    deployments: dict[str, Deployment] = field(default_factory=lambda: {"d": deployment()})
    shapes: dict[str, EngineShape] = field(default_factory=lambda: {shape().id: shape()})
    engines: dict[str, ReplicaState] = field(default_factory=dict)
    where: dict[str, str] = field(default_factory=dict)
    load: dict[str, int] = field(default_factory=dict)
    machines: dict[str, int] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    healthy: frozenset[str] | None = None
    lease_until: datetime | None = None
    complete: bool = True
    applied: tuple[int, int] | None = None
    settings: ReconcileSettings = SETTINGS

    @staticmethod
    def of(nodes: Iterable[Node] = (), replicas: Iterable[Replica] = (), clusters: Iterable[Cluster] = ()) -> Bench:
        """A fleet at rest: every replica given runs and is seen by its agent."""
        bench = Bench()
        bench.memory.epoch = 1
        done(bench.memory.put_clusters(list(clusters) or [cluster()]))
        for node in nodes:
            bench.memory.nodes[node.id] = node
            bench.joined.add(node.id)
            bench.machines[node.launch_token] = 1
        for each in replicas:
            bench.memory.replicas[each.id] = each
            bench.engines[each.id], bench.where[each.id] = each.state, each.nodes[0]
        return bench

    # what can happen

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def step(self) -> Step:
        """One step from a fresh look, written."""
        result = step(self.sight())
        self.write(result.changes)
        return result

    def steps(self, count: int, seconds: float = 1.0) -> None:
        """Several, with the agent at work between them."""
        for _ in range(count):
            self.step()
            self.obey()
            self.pass_time(seconds)

    def accept(self, plan: Plan) -> None:
        self.write(accept(self.sight(), plan, {OFFER.id: OFFER}, "a test"))

    def answer(self, action: Action, error: ProviderError | None = None) -> None:
        """The provider's answer to an action; without an error it does what was asked."""
        token = action.node.launch_token
        machine = None
        if error is None and isinstance(action, TerminateNode):
            self.machines.pop(token, None)
            self.joined.discard(action.node.id)
        elif error is None:
            if not (isinstance(action, FindNode) and self.machines.get(token)):
                self.machines[token] = self.machines.get(token, 0) + 1
            machine = CloudNode(f"i-{action.node.id}", token, True, "us-east-1", "us-east-1a")
        self.write(absorb(self.sight(), [Outcome(action, machine, error)]))

    def answer_all(self, result: Step, error: ProviderError | None = None) -> None:
        for action in result.actions:
            self.answer(action, error)

    def obey(self) -> None:
        """The agent takes the desired state: it starts what is wanted on joined nodes, and stops what is not."""
        desired = self.memory.wishes.get(CLUSTER)
        if desired is None:
            return
        wanted = {wish.replica: wish.nodes[0] for wish in desired.replicas}
        for name in list(self.engines):
            if name not in wanted or self.where[name] not in self.joined:
                del self.engines[name], self.where[name]
        for name, node in wanted.items():
            if name not in self.engines and node in self.joined:
                self.engines[name], self.where[name] = ReplicaState.STARTING, node
        self.applied = (desired.epoch, desired.version)

    def ready(self, *names: str) -> None:
        for name in names:
            self.engines[name] = ReplicaState.READY

    def notice(self, node: str, seconds: float | None) -> None:
        deadline = self.now + timedelta(seconds=seconds) if seconds is not None else None
        given = Notice(node, EventKind.INTERRUPTION_NOTICE, deadline, "the cloud takes it back", self.now)
        self.memory.notices[node, given.kind] = given
        self.memory.handled.discard((node, given.kind))

    def silence(self) -> None:
        """The agent's lease has run out."""
        self.lease_until = self.now - timedelta(seconds=1)

    def heard(self) -> None:
        self.lease_until = None

    # what is

    def sight(self) -> Sight:
        lease = self.lease_until if self.lease_until is not None else self.now + timedelta(seconds=30)
        return Sight(
            now=self.now,
            epoch=self.epoch,
            fleet=done(self.memory.fleet()),
            observed={CLUSTER: (self.report(), lease)},
            healthy=self.healthy,
            notices=tuple(done(self.memory.open_notices())),
            deployments=self.deployments,
            shapes=self.shapes,
            launches={(name, kind): LAUNCH for name in self.deployments for kind in self.shapes},
            settings=self.settings,
        )

    def report(self) -> ObservedState:
        seen = [
            ObservedReplica(
                name,
                1,
                state,
                self.where[name],
                f"10.0.0.1:{name}" if state is ReplicaState.READY else "",
                in_flight=self.load.get(name, 0),
            )
            for name, state in sorted(self.engines.items())
        ]
        epoch, version = self.applied or (0, 0)
        nodes = tuple(ObservedNode(name, True, 1) for name in sorted(self.joined))
        return ObservedState(CLUSTER, epoch, version, self.now, self.complete, nodes, tuple(seen), "ray://test")

    def write(self, changes: ChangeSet) -> None:
        done(self.memory.commit(changes, self.epoch))

    def node(self, name: str) -> Node:
        return self.memory.nodes[name]

    def replica(self, name: str) -> Replica:
        return self.memory.replicas[name]

    def move(self, name: str) -> Move:
        return self.memory.all_moves[name]

    def plan(self, name: str = "p1") -> Plan:
        return self.memory.all_plans[name]

    def wanted(self) -> set[str]:
        """Replicas the cluster was last asked to run."""
        desired = self.memory.wishes.get(CLUSTER)
        return {wish.replica for wish in desired.replicas} if desired is not None else set()

    def open_plan(self) -> Plan | None:
        plan = done(self.memory.fleet()).plan
        return plan if plan is not None and plan.state is PlanState.APPLYING else None


def new_node(name: str) -> NewNode:
    return NewNode(name, CLUSTER, OFFER.id)


def new_replica(name: str, *nodes: str, of: str = "d", kind: str = "m/L4-24GB-PCIex1") -> NewReplica:
    return NewReplica(name, of, kind, CLUSTER, nodes, 1)


def launches(result: Step) -> list[LaunchNode]:
    return [action for action in result.actions if isinstance(action, LaunchNode)]


def started(bench: Bench, plan: Plan) -> None:
    """Accept a plan, launch and join its nodes, and let the agent start its engines."""
    bench.accept(plan)
    bench.answer_all(bench.step())
    bench.joined |= {node.id for node in plan.new_nodes}
    bench.step()
    bench.obey()
    bench.step()


def same(node: Node, **changes: Any) -> Node:
    return replace(node, **changes)
