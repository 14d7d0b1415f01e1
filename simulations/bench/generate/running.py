"""What runs already: most of the planted plan, as an earlier day's demand would have left it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from scheduler.domain.fleet import Node, Replica
from scheduler.domain.lifecycle import NodeState, ReplicaState
from simulations.bench.generate.ground import Ground
from simulations.bench.generate.plant import Planted

KEPT = 0.8
"""Share of the planted replicas that run."""


def running(ground: Ground, planted: Sequence[Planted], now: datetime, draw: random.Random) -> tuple[tuple[Node, ...], tuple[Replica, ...]]:
    """Nodes and replicas, packed largest first; a node runs where at least one replica is on it."""
    in_pool: dict[int, list[Planted]] = defaultdict(list)
    for each in planted:
        in_pool[each.pool] += [each] * sum(draw.random() < KEPT for _ in range(each.replicas))
    nodes: list[Node] = []
    replicas: list[Replica] = []
    for pool, wanted in sorted(in_pool.items()):
        free: list[tuple[Node, int]] = []
        for each in sorted(wanted, key=lambda each: (-each.shape.accelerators_per_node, each.deployment)):
            need = each.shape.accelerators_per_node
            if each.shape.nodes > 1:
                gang = [_node(ground, pool, len(nodes) + 1 + place, now) for place in range(each.shape.nodes)]
                nodes += gang
                replicas.append(_replica(each, gang, len(replicas) + 1, now))
                continue
            index = next((i for i, (_, left) in enumerate(free) if left >= need), len(free))
            if index == len(free):
                node = _node(ground, pool, len(nodes) + 1, now)
                nodes.append(node)
                free.append((node, node.instance_type.accelerator_count))
            node, left = free[index]
            free[index] = node, left - need
            replicas.append(_replica(each, [node], len(replicas) + 1, now))
    return tuple(nodes), tuple(replicas)


def _node(ground: Ground, pool: int, number: int, now: datetime) -> Node:
    cluster, index = ground.pools[pool]
    offer = ground.market.offers[index]
    return Node(
        id=f"n-{number:05d}",
        cluster=cluster.id,
        offer_id=offer.id,
        instance_type=offer.instance_type,
        zone=offer.zone,
        capacity_type=offer.capacity_type,
        price_micro_usd_per_h=offer.price_micro_usd_per_h,
        state=NodeState.READY,
        launch_token=f"n-{number:05d}",
        requested_at=now,
    )


def _replica(each: Planted, nodes: Sequence[Node], number: int, now: datetime) -> Replica:
    identity = f"r-{number:05d}"
    names = tuple(node.id for node in nodes)
    return Replica(identity, each.deployment, each.shape.id, nodes[0].cluster, names, ReplicaState.READY, 1, now)
