"""What the checker looks at: the snapshot and the target, each indexed once, so that a large fleet is judged in seconds.

Derived anew from the two values alone; nothing here comes from the formulation.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from scheduler.domain.fleet import Cluster
from scheduler.domain.lifecycle import NODE_USABLE, REPLICA_ENDED, ReplicaState
from scheduler.domain.offer import CapacityType, Offer
from scheduler.domain.plan import Placement, PoolTarget, Target
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import EngineShape

TOLERANCE = 1e-5
"""Relative, and absolute on counts of replicas: sums of floating-point shares are off by less."""


@dataclass(frozen=True)
class Judged:
    """A snapshot and a target for it."""

    snapshot: Snapshot
    target: Target

    @cached_property
    def offers(self) -> dict[str, Offer]:
        """What is sold, and what is held by a reservation, by offer id."""
        known = {offer.id: offer for offer in self.snapshot.offers}
        for reservation in self.snapshot.reservations:
            kind = CapacityType.CAPACITY_BLOCK if reservation.ends_at else CapacityType.RESERVED
            for offer in self.snapshot.offers:
                same = (offer.provider, offer.account, offer.region) == (reservation.provider, reservation.account, reservation.region)
                if same and offer.instance_type.name == reservation.instance_type and reservation.holds_at(self.snapshot.taken_at):
                    held = replace(offer, zone=reservation.zone or offer.zone, capacity_type=kind, price_micro_usd_per_h=0)
                    known[held.id] = held
        return known

    @cached_property
    def clusters(self) -> dict[str, Cluster]:
        return {cluster.id: cluster for cluster in self.snapshot.clusters}

    @cached_property
    def shapes(self) -> dict[str, EngineShape]:
        return {shape.id: shape for shape in self.snapshot.shapes}

    @cached_property
    def pools(self) -> dict[str, PoolTarget]:
        return {pool.pool: pool for pool in self.target.pools}

    @cached_property
    def missed(self) -> frozenset[str]:
        """Deployments with a declared shortage: the plan says itself that their wishes are not all met."""
        return frozenset(unmet.deployment for unmet in self.target.unmet)

    @cached_property
    def usable(self) -> Mapping[str, int]:
        """Nodes that run today and may go on, by pool."""
        return Counter(node.pool for node in self.snapshot.nodes if node.state in NODE_USABLE)

    @cached_property
    def running(self) -> Mapping[tuple[str, str, str], int]:
        """Replicas that run today and may stay, by (deployment, pool, shape)."""
        leaving = REPLICA_ENDED | {ReplicaState.DRAINING, ReplicaState.STOPPING}
        usable = {node.id: node for node in self.snapshot.nodes if node.state in NODE_USABLE}
        return Counter(
            (replica.deployment, usable[replica.nodes[0]].pool, replica.shape)
            for replica in self.snapshot.replicas
            if replica.state not in leaving and all(node in usable for node in replica.nodes)
        )

    def placed(self, deployment: str) -> list[Placement]:
        return self._placed.get(deployment, [])

    def offer(self, item: Placement | PoolTarget) -> Offer | None:
        """None where only a running node still tells of it."""
        return self.offers.get(item.offer_id)

    def accelerators(self, offer_id: str) -> int:
        """Of one node."""
        offer = self.offers.get(offer_id)
        return offer.instance_type.accelerator_count if offer is not None else self._running[offer_id]

    @cached_property
    def _placed(self) -> dict[str, list[Placement]]:
        found: dict[str, list[Placement]] = defaultdict(list)
        for placement in self.target.placements:
            found[placement.deployment].append(placement)
        return found

    @cached_property
    def _running(self) -> dict[str, int]:
        """Accelerators of a running node, by offer id."""
        return {node.offer_id: node.instance_type.accelerator_count for node in reversed(self.snapshot.nodes)}
