"""Safety at every tick: what must never be true, however the market behaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from scheduler.domain.jurisdiction import within
from scheduler.domain.lifecycle import NODE_ENDED, REPLICA_ENDED, MoveState, ReplicaState
from scheduler.domain.plan import MoveKind
from simulations.world import SimulatedWorld

HOLDING = frozenset(ReplicaState) - REPLICA_ENDED - {ReplicaState.REQUESTED}


def broken(world: SimulatedWorld) -> list[str]:
    """Every invariant that does not hold now, as sentences; empty in a sound world."""
    return [
        *_slots(world),
        *_drains(world),
        *_residency(world),
        *_machines(world),
        *_table(world),
    ]


def _slots(world: SimulatedWorld) -> Iterator[str]:
    """Never two replicas on one slot."""
    sizes = {shape.id: shape.accelerators_per_node for shape in world.workload.shapes}
    used: Counter[str] = Counter()
    for replica in world.memory.replicas.values():
        if replica.state in HOLDING:
            for node in replica.nodes:
                used[node] += sizes.get(replica.shape, 1)
    for name, count in used.items():
        size = world.memory.nodes[name].instance_type.accelerator_count
        if count > size:
            yield f"node {name} has {size} accelerators and replicas for {count}"


def _drains(world: SimulatedWorld) -> Iterator[str]:
    """Never drain before the replacement was ready."""
    for move in world.memory.all_moves.values():
        if move.kind is MoveKind.MIGRATE and move.state is MoveState.DRAINING:
            new = world.memory.replicas.get(move.new_replica)
            if new is None or new.ready_at is None:
                yield f"move {move.id} drains {move.old_replica} but {move.new_replica} was never ready"


def _residency(world: SimulatedWorld) -> Iterator[str]:
    """No replica outside its deployment's residency."""
    rules = {deployment.id: deployment.rules.jurisdictions for deployment in world.workload.deployments}
    for replica in world.memory.replicas.values():
        where = world.memory.clusters[replica.cluster].jurisdiction
        if replica.state in HOLDING and not within(where, rules.get(replica.deployment, ())):
            yield f"replica {replica.id} runs in {where}"


def _machines(world: SimulatedWorld) -> Iterator[str]:
    """No machine without a living row, and never two machines for one row."""
    tokens = {node.launch_token for node in world.memory.nodes.values() if node.state not in NODE_ENDED}
    seen = Counter(holding.launch_token for holding in world.market.holdings())
    for token, count in seen.items():
        if count > 1:
            yield f"{count} machines carry token {token}"
        if token not in tokens:
            yield f"machine with token {token} belongs to nobody"


def _table(world: SimulatedWorld) -> Iterator[str]:
    """The edge routes only to replicas that exist and were ready."""
    for backend in world.table.backends:
        for locality in backend.localities:
            for endpoint in locality.endpoints:
                replica = world.memory.replicas.get(endpoint.replica)
                if replica is None or replica.ready_at is None:
                    yield f"the edge routes {backend.deployment} to {endpoint.replica}, which was never ready"
