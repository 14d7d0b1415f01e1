"""Which node every arriving replica gets: free room first, then new nodes, then (last) the room of one that leaves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from scheduler.domain.fleet import Replica
from scheduler.domain.lifecycle import NODE_USABLE
from scheduler.domain.plan import NewNode, NewReplica, Target
from scheduler.domain.snapshot import Snapshot
from scheduler.planner.diff import Arrival, Difference


@dataclass(frozen=True, slots=True)
class Assignment:
    """New nodes and replicas.

    Attributes:
        after: new replica id -> replicas that must be gone before it can start, where there was no room beside them.
        kept_nodes: nodes that hold something when the plan is done.
    """

    new_nodes: tuple[NewNode, ...]
    new_replicas: tuple[NewReplica, ...]
    after: dict[str, tuple[str, ...]]
    kept_nodes: frozenset[str]


@dataclass
class _Room:
    """Free accelerators of the nodes of one pool, with and without the replicas that leave.

    Attributes:
        pledged: node -> leavers whose room is counted as free already; whoever goes there waits for them too.
    """

    size: int
    cluster: str
    offer_id: str
    may_launch: int
    free: dict[str, int] = field(default_factory=dict)
    leavers: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))
    pledged: dict[str, tuple[str, ...]] = field(default_factory=dict)


def assign(snapshot: Snapshot, target: Target, change: Difference, plan_id: str) -> Assignment:
    """Place every arrival. Largest first, tightest fit first: the order that wastes least."""
    rooms = _rooms(snapshot, target, change)
    generation = {deployment.id: deployment.generation for deployment in snapshot.deployments}
    new_nodes: list[NewNode] = []
    new_replicas: list[NewReplica] = []
    after: dict[str, tuple[str, ...]] = {}
    ordered = sorted(change.arriving, key=lambda a: (-a.accelerators * a.nodes, a.placement.deployment, a.placement.pool))
    for number, arrival in enumerate(ordered, start=1):
        room = rooms[arrival.placement.pool]
        identity = f"{arrival.placement.deployment}-{plan_id}-{number}"
        chosen, waits = _choose(room, arrival, new_nodes, plan_id)
        if len(chosen) < arrival.nodes:
            continue  # no room at all: the next plan sees it missing and says why
        for node in chosen:
            room.free[node] -= arrival.accelerators
        if waits:
            after[identity] = waits
        placement = arrival.placement
        new_replicas.append(
            NewReplica(identity, placement.deployment, placement.shape, placement.cluster, tuple(chosen), generation[placement.deployment])
        )
    used = {node for replica in change.staying for node in replica.nodes} | {node for r in new_replicas for node in r.nodes}
    return Assignment(tuple(new_nodes), tuple(new_replicas), after, frozenset(used))


def _rooms(snapshot: Snapshot, target: Target, change: Difference) -> dict[str, _Room]:
    sizes = {offer.id: offer.instance_type.accelerator_count for offer in snapshot.offers}
    per_replica = {shape.id: shape.accelerators_per_node for shape in snapshot.shapes}
    usable = [node for node in snapshot.nodes if node.state in NODE_USABLE]
    sizes |= {node.offer_id: node.instance_type.accelerator_count for node in usable}
    caps = {offer_id: cap.nodes for offer_id, cap in snapshot.caps.items()}
    rooms: dict[str, _Room] = {}
    for pool in target.pools:
        launchable = caps.get(pool.offer_id, pool.nodes)
        rooms[pool.pool] = _Room(sizes.get(pool.offer_id, 1), pool.cluster, pool.offer_id, max(launchable, pool.nodes - pool.existing))
    for node in usable:
        if node.pool in rooms:
            rooms[node.pool].free[node.id] = rooms[node.pool].size
    pool_of = {node.id: node.pool for node in usable}

    def occupy(replica: Replica, leaving: bool) -> None:
        for node in replica.nodes:
            if node in pool_of and pool_of[node] in rooms:
                room, need = rooms[pool_of[node]], per_replica.get(replica.shape, 1)
                room.free[node] -= need
                if leaving:
                    room.leavers[node].append((replica.id, need))

    for replica in change.staying:
        occupy(replica, leaving=False)
    for replica in change.leaving:
        occupy(replica, leaving=True)
    return rooms


def _choose(room: _Room, arrival: Arrival, new_nodes: list[NewNode], plan_id: str) -> tuple[list[str], tuple[str, ...]]:
    """Nodes for one arrival, and the leavers it must wait for. Nothing is launched or pledged unless all its nodes are found."""
    need, wanted = arrival.accelerators, arrival.nodes
    fitting = sorted((left, node) for node, left in room.free.items() if left >= need)
    free = [node for _, node in fitting if node not in room.pledged][:wanted]
    launched = min(wanted - len(free), room.may_launch) if need <= room.size else 0
    awaited = [node for _, node in fitting if node in room.pledged]
    awaited += [
        node for node, leavers in sorted(room.leavers.items()) if _after_leavers(room, node, leavers) >= need and node not in awaited
    ]
    awaited = [node for node in awaited if node not in free][: wanted - len(free) - launched]
    if len(free) + launched + len(awaited) < wanted:
        return [], ()
    for node in awaited:
        leavers = room.leavers.pop(node, [])
        room.free[node] += sum(size for _, size in leavers)
        room.pledged[node] = (*room.pledged.get(node, ()), *(name for name, _ in leavers))
    for _ in range(launched):
        node = f"n-{plan_id}-{len(new_nodes) + 1}"
        new_nodes.append(NewNode(node, room.cluster, room.offer_id))
        room.free[node] = room.size
        room.may_launch -= 1
        free.append(node)
    return free + awaited, tuple(name for node in awaited for name in room.pledged[node])


def _after_leavers(room: _Room, node: str, leavers: list[tuple[str, int]]) -> int:
    return room.free[node] + sum(size for _, size in leavers)
