"""What differs between what runs and the target: replicas that stay, leave and arrive."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from scheduler.domain.fleet import Node, Replica
from scheduler.domain.lifecycle import NODE_USABLE, REPLICA_ENDED, ReplicaState
from scheduler.domain.plan import Placement, Target
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import Deployment

LEAVING = frozenset({ReplicaState.DRAINING, ReplicaState.STOPPING})


@dataclass(frozen=True, slots=True)
class Arrival:
    """One replica to be created in a pool."""

    placement: Placement
    accelerators: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Replicas by what becomes of them; ``leaving`` is in the order in which they should go."""

    staying: tuple[Replica, ...]
    leaving: tuple[Replica, ...]
    arriving: tuple[Arrival, ...]


def difference(snapshot: Snapshot, target: Target) -> Difference:
    """Compare replica by replica.

    A replica stays where the target wants one of its deployment and shape in its pool, its node is usable and it runs the
    deployment's present generation.
    """
    nodes = {node.id: node for node in snapshot.nodes}
    deployments = {deployment.id: deployment for deployment in snapshot.deployments}
    shapes = {shape.id: shape for shape in snapshot.shapes}
    present = [r for r in snapshot.replicas if r.state not in REPLICA_ENDED and r.state not in LEAVING]
    here: dict[tuple[str, str, str], list[Replica]] = defaultdict(list)
    leaving: list[Replica] = []
    for replica in present:
        if _fit(replica, nodes, deployments):
            here[replica.deployment, nodes[replica.nodes[0]].pool, replica.shape].append(replica)
        else:
            leaving.append(replica)
    wanted = {(p.deployment, p.pool, p.shape): p for p in target.placements}
    staying: list[Replica] = []
    arriving: list[Arrival] = []
    crowd = _crowd(present)
    for key in sorted(here.keys() | wanted.keys()):
        count = wanted[key].replicas if key in wanted else 0
        ranked = sorted(here[key], key=lambda replica: _stay_rank(replica, crowd))
        staying += ranked[:count]
        leaving += ranked[count:]
        if count > len(ranked):
            shape = shapes[wanted[key].shape]
            arriving += [Arrival(wanted[key], shape.accelerators_per_node, shape.nodes)] * (count - len(ranked))
    return Difference(tuple(staying), tuple(sorted(leaving, key=lambda r: _leave_rank(r, nodes))), tuple(arriving))


def _fit(replica: Replica, nodes: dict[str, Node], deployments: dict[str, Deployment]) -> bool:
    deployment = deployments.get(replica.deployment)
    if deployment is None or replica.generation != deployment.generation:
        return False
    return all(name in nodes and nodes[name].state in NODE_USABLE for name in replica.nodes)


def _crowd(replicas: list[Replica]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for replica in replicas:
        for node in replica.nodes:
            counts[node] += 1
    return counts


def _stay_rank(replica: Replica, crowd: dict[str, int]) -> tuple[bool, int, int, str]:
    """Ready ones first, then those on full nodes (so that others can be released), then the busiest."""
    return (replica.state is not ReplicaState.READY, -max(crowd[node] for node in replica.nodes), -replica.in_flight, replica.id)


def _leave_rank(replica: Replica, nodes: dict[str, Node]) -> tuple[float, str]:
    """Earliest deadline first."""
    deadlines = [nodes[n].deadline for n in replica.nodes if n in nodes and nodes[n].interrupted]
    times = [deadline.timestamp() for deadline in deadlines if deadline is not None]
    return (min(times, default=float("inf")), replica.id)
