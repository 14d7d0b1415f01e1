"""Safety under any history: whatever the clouds, the agents and the clock do, and in whatever order."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.domain.errors import AuthError, StockoutError, TransientError
from scheduler.domain.lifecycle import MOVE_ENDED, NODE_ENDED, REPLICA_ENDED, MoveState, NodeState, PlanState, ReplicaState
from scheduler.domain.plan import Plan
from scheduler.reconciler import Action, TerminateNode
from tests.builders import move, node, plan, replica
from tests.unit.reconciler.bench import CLUSTER, OFFER, Bench, new_node, new_replica

HOLDING = frozenset(ReplicaState) - REPLICA_ENDED - {ReplicaState.REQUESTED}
ERRORS = (TransientError("aws", "timed out"), StockoutError("aws", "none left"), AuthError("aws", "denied"))
USUAL = ("tick", "tick", "obey", "ready", "answer", "join", "wait", "work")
TROUBLE = ("warm", "fail", "restart", "lose the answer", "vanish", "notice", "silence", "wait long", "load", "unload", "crash", "replan")
EVENTS = (*USUAL * 5, *TROUBLE)


class History:
    """A small fleet and everything that may happen to it, chosen by a seeded die."""

    def __init__(self, seed: int) -> None:
        self.die = random.Random(seed)
        nodes = [node(f"n{i}", OFFER, CLUSTER) for i in range(3)]
        self.bench = Bench.of(nodes, [replica(f"r{i}", at) for i, at in enumerate(nodes[:2])])
        self.pending: list[Action] = []
        self.plans = 0
        self.replan()

    def replan(self) -> None:
        """A plan over whatever serves now: moves to free nodes, to new ones, and into the room of leavers."""
        self.plans += 1
        name, die = f"p{self.plans}", self.die
        busy = {m.old_replica for m in self.bench.memory.all_moves.values() if m.state not in MOVE_ENDED}
        serving = [r for r in self.bench.memory.replicas.values() if r.state is ReplicaState.READY and r.id not in busy]
        die.shuffle(serving)
        moves, replicas, new_nodes = [], [], []
        for index, old in enumerate(serving):
            new, at = f"{name}-r{index}", f"{name}-n{index}"
            kind = die.choice(("migrate", "migrate", "stop", "swap", "stay"))
            if kind == "migrate":
                new_nodes.append(new_node(at))
                replicas.append(new_replica(new, at))
                moves.append(move(f"{name}-m{index}", old.id, new, wave=index + 1, plan=name))
            elif kind == "swap":
                replicas.append(new_replica(new, old.nodes[0]))
                moves.append(move(f"{name}-m{index}a", old=old.id, wave=2 * index + 1, plan=name))
                # Waves order them; where a planner forgot, the slot itself must keep the second one waiting.
                moves.append(move(f"{name}-m{index}b", new=new, wave=2 * index + die.choice((1, 2)), plan=name))
            elif kind == "stop":
                moves.append(move(f"{name}-m{index}", old=old.id, wave=9, plan=name))
        if die.random() < 0.5:
            new_nodes.append(new_node(f"{name}-n9"))
            replicas.append(new_replica(f"{name}-r9", f"{name}-n9"))
            moves.append(move(f"{name}-m9", new=f"{name}-r9", plan=name))
        going = {m.old_replica for m in moves if m.kind.value != "start"}
        releases = [r.nodes[0] for r in serving if r.id in going and all(r.nodes[0] not in new.nodes for new in replicas)]
        self.bench.accept(plan(name, moves=moves, new_replicas=replicas, new_nodes=new_nodes, releases=releases))

    def happen(self, event: str) -> None:
        bench, die = self.bench, self.die
        engine = die.choice(sorted(bench.engines)) if bench.engines else ""
        match event:
            case "tick":
                self.tick()
            case "obey":
                bench.obey()
            case "warm" if engine and bench.engines[engine] is ReplicaState.STARTING:
                bench.engines[engine] = ReplicaState.WARMING
            case "ready" if engine and bench.engines[engine] is not ReplicaState.FAILED:
                bench.ready(engine)
            case "fail" if engine:
                bench.engines[engine] = ReplicaState.FAILED
            case "restart" if engine:
                bench.engines[engine] = ReplicaState.STARTING
            case "answer" if self.pending:
                bench.answer(self.pending.pop(die.randrange(len(self.pending))), die.choice((*(None,) * 9, *ERRORS)))
            case "lose the answer" if self.pending:
                # The call took effect, and nobody heard of it.
                action = self.pending.pop(die.randrange(len(self.pending)))
                if not isinstance(action, TerminateNode):
                    bench.machines.setdefault(action.node.launch_token, 1)
            case "join":
                tokens = {n.launch_token for n in bench.memory.nodes.values() if n.state is NodeState.JOINING}
                bench.joined |= {
                    n.id for n in bench.memory.nodes.values() if n.launch_token in tokens and bench.machines.get(n.launch_token)
                }
            case "vanish" if bench.joined and die.random() < 0.3:
                bench.joined.discard(die.choice(sorted(bench.joined)))
            case "notice" if bench.memory.nodes:
                bench.notice(die.choice(sorted(bench.memory.nodes)), die.choice((None, 20, 90)))
            case "silence":
                bench.silence()
                bench.healthy = die.choice((None, frozenset(), frozenset(r.endpoint for r in bench.memory.replicas.values())))
            case "work":
                bench.heard()
                for usual in ("tick", "answer", "join", "obey", "ready"):
                    self.happen(usual)
            case "wait":
                bench.pass_time(die.choice((0.5, 1, 3)))
            case "wait long":
                bench.pass_time(die.choice((30, 120, 320)))
            case "load" if engine:
                bench.load[engine] = die.randint(1, 9)
            case "unload":
                bench.load.clear()
            case "crash":
                self.pending = []
                bench.epoch = bench.memory.epoch = bench.epoch + 1
            case "replan" if die.random() < 0.2:
                self.replan()

    def tick(self) -> None:
        before = {r.id: r.state for r in self.bench.memory.replicas.values()}
        result = self.bench.step()
        assert not result.refused, result.refused
        under_way = {action.node.id for action in self.pending}
        self.pending += [action for action in result.actions if action.node.id not in under_way]
        self.check(before)

    def check(self, before: dict[str, ReplicaState]) -> None:
        memory = self.bench.memory
        for name in memory.nodes:
            holding = [r.id for r in memory.replicas.values() if name in r.nodes and r.state in HOLDING]
            assert len(holding) <= 1, f"two replicas on {name}: {holding}"
        for each in memory.all_moves.values():
            if each.old_replica and each.new_replica and each.state in (MoveState.SHIFTING, MoveState.DRAINING):
                assert memory.replicas[each.new_replica].ready_at is not None, f"{each.id} goes on before the new one was ready"
        for each in memory.replicas.values():
            if each.state is ReplicaState.DRAINING and before.get(each.id) is ReplicaState.READY:
                self.check_drain(each.id)
        for token, count in self.bench.machines.items():
            assert count <= 1, f"{count} machines carry {token}"

    def check_drain(self, name: str) -> None:
        """Someone decided it: a stop, a migration whose new replica answered, or its node is about to go."""
        memory = self.bench.memory
        mine = [m for m in memory.all_moves.values() if name in (m.old_replica, m.new_replica)]
        fine = any(m.state is MoveState.DRAINING or (m.new_replica == name and m.state in MOVE_ENDED) for m in mine)
        doomed = any(memory.nodes[node].state is NodeState.INTERRUPTED for node in memory.replicas[name].nodes)
        assert fine or doomed, f"{name} drains although nothing took its place"

    def come_to_rest(self) -> Plan:
        """From now on everything works, and time passes."""
        self.bench.heard()
        self.bench.healthy = None
        self.bench.load.clear()
        for _ in range(120):
            self.tick()
            for action in self.pending:
                self.bench.answer(action)
            self.pending = []
            self.happen("join")
            self.bench.obey()
            self.bench.ready(*(name for name, state in self.bench.engines.items() if state is not ReplicaState.FAILED))
            self.bench.pass_time(40)
        return self.bench.plan(f"p{self.plans}")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), events=st.lists(st.sampled_from(EVENTS), max_size=80))
def test_no_history_breaks_safety_and_every_plan_ends(seed: int, events: list[str]) -> None:
    history = History(seed)
    for event in events:
        history.happen(event)
    last = history.come_to_rest()
    assert last.state in (PlanState.APPLIED, PlanState.FAILED)
    memory = history.bench.memory
    assert not [m.id for m in memory.all_moves.values() if m.state not in MOVE_ENDED]
    waiting = {r.id: r.state for r in memory.replicas.values() if r.state not in REPLICA_ENDED and r.state is not ReplicaState.READY}
    assert not waiting, "nothing waits for ever"
    owned = {n.launch_token for n in memory.nodes.values() if n.state not in NODE_ENDED}
    orphans = set(history.bench.machines) - owned
    failed = {n.launch_token for n in memory.nodes.values() if n.state is NodeState.FAILED}
    assert orphans <= failed, "what is not owned is at most what the sweeper finds after a false refusal"


@pytest.mark.parametrize("seed", range(40))
def test_a_long_and_eventful_history_is_survived_too(seed: int) -> None:
    history = History(seed)
    for _ in range(250):
        history.happen(history.die.choice(EVENTS))
    assert history.come_to_rest().state in (PlanState.APPLIED, PlanState.FAILED)
