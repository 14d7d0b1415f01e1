"""Pools by what rules ask of them: the masks that blocks are cut from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.domain.jurisdiction import within
from scheduler.domain.lifecycle import ClusterState, Schedulability
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.units import MICRO
from scheduler.domain.workload import Deployment, EngineShape, FailureDomain, Model
from scheduler.optimizer.decompose.arrays import Flags, Floats, Ints
from scheduler.optimizer.problem import DemandClass, Pool, cheapest_egress


class Places:
    """Pools by what rules ask of them, as masks (bool [pool]) made once."""

    def __init__(self, snapshot: Snapshot, pools: Sequence[Pool]) -> None:
        self.snapshot, self.pools = snapshot, pools
        self.count = np.array([pool.offer.instance_type.accelerator_count for pool in pools], np.int64)
        self.nodes = np.array([pool.max_nodes for pool in pools], np.int64)
        self.list_price = np.array([pool.list_price for pool in pools], np.int64)
        self.price = np.array([pool.price / MICRO / pool.offer.instance_type.accelerator_count for pool in pools])
        self.launch_s = np.array([pool.offer.launch_s for pool in pools])
        wish = [pool.cluster.schedulability for pool in pools]
        state = [pool.cluster.state for pool in pools]
        self.shut = np.array([w is Schedulability.DRAINING or s is ClusterState.LOST for w, s in zip(wish, state, strict=True)], np.bool_)
        self.closed = np.array(
            [w is Schedulability.CORDONED or s is ClusterState.SUSPECT for w, s in zip(wish, state, strict=True)], np.bool_
        )
        cheapest = cheapest_egress(snapshot)
        self.egress = np.array([cheapest.get(pool.place, 0) for pool in pools], np.float64)
        self.revocable = np.array([pool.offer.capacity_type.revocable for pool in pools], np.bool_)
        self._by = {
            "provider": self._names(lambda pool: pool.offer.provider),
            "region": self._names(lambda pool: pool.offer.region),
            "cluster": self._names(lambda pool: pool.cluster.id),
            "accelerator": self._names(lambda pool: pool.offer.instance_type.accelerator),
            "capacity": self._names(lambda pool: pool.offer.capacity_type.value),
            "jurisdiction": self._names(lambda pool: pool.cluster.jurisdiction),
            "place": self._names(lambda pool: pool.place),
        }
        self.domain = {kind: self._numbers([pool.domain(kind) for pool in pools]) for kind in FailureDomain}
        self.spot_group = self._numbers([pool.spot_group for pool in pools])
        self.spot_group[~self.revocable] = -1
        self.launch_group = self._numbers([pool.launch_group for pool in pools])
        self.launch_group[np.array([not pool.launch_group for pool in pools], np.bool_)] = -1
        self._within: dict[tuple[str, ...], Flags] = {}

    def _names(self, of: object) -> dict[str, Flags]:
        names = [of(pool) for pool in self.pools]  # type: ignore[operator]
        array = np.array(names, dtype=object)
        return {name: array == name for name in set(names)}

    @staticmethod
    def _numbers(names: Sequence[str]) -> Ints:
        known: dict[str, int] = {}
        return np.array([known.setdefault(name, len(known)) for name in names], np.int64)

    def any_of(self, what: str, names: Sequence[str]) -> Flags:
        """Pools with one of these names; all of them where there are none."""
        if not names:
            return np.ones(len(self.pools), np.bool_)
        found = np.zeros(len(self.pools), np.bool_)
        for name in names:
            if name in self._by[what]:
                found |= self._by[what][name]
        return found

    def inside(self, jurisdictions: tuple[str, ...]) -> Flags:
        """Pools under one of these jurisdictions."""
        if jurisdictions not in self._within:
            found = np.zeros(len(self.pools), np.bool_)
            for name, mask in self._by["jurisdiction"].items():
                if within(name, jurisdictions):
                    found |= mask
            self._within[jurisdictions] = found
        return self._within[jurisdictions]

    def allowed(self, deployment: Deployment) -> Flags:
        """Pools that the deployment's own rules allow, whatever the shape."""
        rules = deployment.rules
        mask = self.any_of("provider", rules.providers) & self.any_of("region", rules.regions)
        mask &= self.any_of("cluster", rules.clusters) & self.any_of("accelerator", rules.accelerators)
        mask &= self.any_of("capacity", rules.capacity_types) & self.inside(rules.jurisdictions)
        return mask if rules.spot_ceiling > 0 else mask & ~self.revocable

    def fits(self, shape: EngineShape) -> Flags:
        """Pools whose nodes hold a replica of this shape; a gang takes whole nodes."""
        need = shape.accelerators_per_node
        mask = self.any_of("accelerator", (shape.accelerator,))
        return mask & (self.count == need if shape.nodes > 1 else self.count >= need)

    def start(self, snapshot: Snapshot, model: Model, shape: EngineShape) -> Floats:
        """float64 [pool]: USD/h of starting one replica there, as ``problem.start_cost``."""
        share = float(shape.nodes) if shape.nodes > 1 else shape.accelerators_per_node / self.count
        paid = self.list_price * share * (self.launch_s + shape.start_s) / 3600
        start: Floats = np.rint((paid + self.egress * model.weights_gib) / snapshot.amortisation_h) / MICRO
        return start

    def serves(self, demand: DemandClass) -> Flags:
        """Pools where this demand may be served."""
        mask = self.inside(demand.jurisdictions)
        return mask & ~self.any_of("place", tuple(demand.far)) if demand.far else mask
