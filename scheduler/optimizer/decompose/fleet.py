"""The whole fleet as arrays: pools, what limits them together, and one block for each deployment."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scheduler.domain.lifecycle import ClusterState, Schedulability
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.units import MICRO
from scheduler.domain.workload import Deployment, EngineShape, Model
from scheduler.optimizer.decompose.arrays import Flags, Floats, Ints
from scheduler.optimizer.decompose.blocks import Block, Columns, Family, kinds, scaled, subsets
from scheduler.optimizer.decompose.places import Places
from scheduler.optimizer.problem import DemandClass, Pool, demand_classes, pools_of, running_replicas, start_cost

PENALTY, PENALTY_BEST_EFFORT = 1_000.0, 20.0
"""Leaving a deployment unserved costs this many times what serving it on its dearest places would."""


@dataclass(frozen=True)
class Limit:
    """sum(units * nodes) over some pools <= most.

    Attributes:
        pools: int64 [member]. units: float64 [member].
    """

    id: str
    pools: Ints
    units: Floats
    most: float


@dataclass(frozen=True)
class FleetArrays:
    """Pools with their limits, and the blocks.

    Attributes:
        size: float64 [pool] accelerators of a node. price: float64 [pool] USD per node and hour at the margin.
        most: float64 [pool] nodes. limits: what several pools share.
    """

    snapshot: Snapshot
    pools: tuple[Pool, ...]
    size: Floats
    price: Floats
    most: Floats
    limits: tuple[Limit, ...]
    blocks: tuple[Block, ...]


def fleet_arrays(snapshot: Snapshot, before: FleetArrays | None = None) -> FleetArrays:
    """Derive pools, limits and blocks from a snapshot.

    With the arrays of an earlier snapshot, pools keep their places (one that is gone holds no node any more), and a block of a
    deployment that has not changed, nor anything about its pools or what runs of it, is taken over as it is.
    """
    pools = _pools(snapshot, before)
    places = Places(snapshot, pools)
    models = {model.id: model for model in snapshot.models}
    running = running_replicas(snapshot)
    builder = BlockBuilder(snapshot, places, running)
    kept = _kept(snapshot, pools, before, running) if before is not None else {}
    return FleetArrays(
        snapshot=snapshot,
        pools=pools,
        size=np.array([pool.offer.instance_type.accelerator_count for pool in pools], np.float64),
        price=np.array([pool.price / MICRO for pool in pools]),
        most=np.array([pool.max_nodes for pool in pools], np.float64),
        limits=tuple(_limits(snapshot, pools)),
        blocks=tuple(kept.get(d.id) or builder.block(d, models[d.model]) for d in snapshot.deployments),
    )


def _pools(snapshot: Snapshot, before: FleetArrays | None) -> tuple[Pool, ...]:
    now = {pool.id: pool for pool in pools_of(snapshot) if pool.max_nodes > 0}
    if before is None:
        return tuple(now.values())
    stay = [now.pop(pool.id) if pool.id in now else replace(pool, existing=0, max_nodes=0) for pool in before.pools]
    return (*stay, *now.values())


def _kept(snapshot: Snapshot, pools: tuple[Pool, ...], before: FleetArrays, running: dict[tuple[str, str, str], int]) -> dict[str, Block]:
    """Blocks of ``before`` that hold as they are, or with other costs and less room in some pools."""
    old = before.snapshot
    if len(pools) > len(before.pools) or (
        snapshot.models,
        snapshot.shapes,
        snapshot.latency_ms,
        snapshot.amortisation_h,
    ) != (old.models, old.shapes, old.latency_ms, old.amortisation_h):
        return {}
    if any(
        new.max_nodes > was.max_nodes or (_closed(new) != _closed(was) and new.max_nodes)
        for was, new in zip(before.pools, pools, strict=True)
    ):
        return {}
    changed = np.array([not _alike(was, new) for was, new in zip(before.pools, pools, strict=True)], np.bool_)
    wanted = {deployment.id: deployment for deployment in snapshot.deployments}
    ran, runs = _by_deployment(running_replicas(old)), _by_deployment(running)
    models = {model.id: model for model in snapshot.models}
    kept: dict[str, Block] = {}
    for block in before.blocks:
        name, touched = block.deployment.id, changed[block.columns.pool]
        if wanted.get(name) != block.deployment or ran.get(name) != runs.get(name):
            continue
        if not touched.any():
            kept[name] = block
        elif block.deployment.budget_micro_usd_per_h is None:
            kept[name] = block.beside(_refreshed(snapshot, models[block.deployment.model], block, pools, np.flatnonzero(touched)))
    return kept


def _by_deployment(counts: dict[tuple[str, str, str], int]) -> dict[str, dict[tuple[str, str, str], int]]:
    found: dict[str, dict[tuple[str, str, str], int]] = defaultdict(dict)
    for key, count in counts.items():
        found[key[0]][key] = count
    return found


def _closed(pool: Pool) -> tuple[Schedulability, ClusterState]:
    return pool.cluster.schedulability, pool.cluster.state


def _alike(old: Pool, new: Pool) -> bool:
    """Nothing about the pool that a block's columns are made of has changed."""
    return (old.max_nodes, old.list_price, old.offer.launch_s) == (new.max_nodes, new.list_price, new.offer.launch_s)


def _refreshed(snapshot: Snapshot, model: Model, block: Block, pools: tuple[Pool, ...], touched: Ints) -> Columns:
    """The block's columns with the costs and the room of their pools as they are now."""
    columns = block.columns
    start, most = columns.start.copy(), columns.most.copy()
    for column in touched.tolist():
        pool, shape = pools[columns.pool[column]], block.shapes[columns.shape[column]]
        slots = pool.max_nodes // shape.nodes * (pool.offer.instance_type.accelerator_count // shape.accelerators_per_node)
        most[column] = min(most[column], slots)
        if not columns.kept[column]:
            start[column] = start_cost(snapshot, model, pool, shape) / MICRO
    return replace(columns, start=start, most=most)


def _limits(snapshot: Snapshot, pools: Sequence[Pool]) -> list[Limit]:
    found = []
    by_offer: dict[str, list[int]] = defaultdict(list)
    for index, pool in enumerate(pools):
        if not pool.reservation and pool.cap is not None:
            by_offer[pool.offer.id].append(index)
    for name, members in sorted(by_offer.items()):
        if len(members) > 1:
            cap = pools[members[0]].cap
            most = sum(pools[i].existing for i in members) + (cap.nodes if cap else 0)
            found.append(Limit(f"offer:{name}", np.array(members), np.ones(len(members)), most))
    by_family: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index, pool in enumerate(pools):
        if not pool.reservation:
            by_family[pool.offer.provider, pool.offer.account, pool.offer.instance_type.quota_family].append(index)
    for quota in snapshot.quotas:
        near = by_family[quota.provider, quota.account, quota.family]
        members = [i for i in near if quota.covers(pools[i].offer)]
        if members:
            units = np.array([quota.units_of(pools[i].offer.instance_type) for i in members], np.float64)
            found.append(Limit(f"quota:{quota.id}", np.array(members), units, max(0, quota.limit - quota.used)))
    for reservation in snapshot.reservations:
        members = [i for i, pool in enumerate(pools) if pool.reservation == reservation.id]
        if members:
            found.append(Limit(f"reservation:{reservation.id}", np.array(members), np.ones(len(members)), reservation.count))
    return found


class BlockBuilder:
    """Makes blocks; keeps what they have in common."""

    def __init__(self, snapshot: Snapshot, places: Places, running: dict[tuple[str, str, str], int]) -> None:
        self._snapshot, self._places, self._running = snapshot, places, running
        self._shapes: dict[tuple[str, str], list[EngineShape]] = defaultdict(list)
        for shape in snapshot.shapes:
            self._shapes[shape.model, shape.engine.value].append(shape)
        self._fits: dict[str, Flags] = {}
        self._start: dict[str, Floats] = {}
        number = {pool.id: index for index, pool in enumerate(places.pools)}
        self._runs: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
        for (deployment, where, cut), count in running.items():
            if where in number:
                self._runs[deployment, cut][number[where]] = count

    def block(self, deployment: Deployment, model: Model) -> Block:
        shapes = self._shapes[model.id, deployment.engine.value]
        classes = demand_classes(deployment, self._snapshot)
        pool, shape, start, most, kept = self._candidates(deployment, model, shapes)
        table = np.array([[each.rate(demand.bucket) for each in shapes] for demand in classes]).reshape(len(classes), len(shapes))
        serves = np.array([self._places.serves(demand) for demand in classes]).reshape(len(classes), len(self._places.pools))
        rates = table[:, shape] * serves[:, pool]
        features = self._features(deployment, (pool, shape, kept), rates)
        kind, first = kinds(features)
        taken = np.array([each.accelerators_per_node * each.nodes for each in shapes], np.float64)
        columns = Columns(pool, shape, taken[shape] if len(shape) else np.zeros(0), start, most, kept, kind)
        rows, wish, covering = self._rows(
            deployment, classes, rates[:, first], pool[first], self._list_price(pool[first], shape[first], deployment)
        )
        families = self._families(deployment, classes, rates[:, first], (pool[first], kept[first]))
        dearest = float((self._places.price[pool] * columns.accelerators).max()) if len(pool) else 1.0
        replicas = max(deployment.min_replicas, _replicas_needed(rows, wish, covering))
        penalty = PENALTY_BEST_EFFORT if deployment.best_effort else PENALTY
        give_up = penalty * (1.0 + dearest * replicas) * max(1, deployment.priority) / 100
        return Block(deployment, shapes, classes, columns, rows, wish, covering, give_up, rates[:, first], families)

    def _candidates(self, deployment: Deployment, model: Model, shapes: Sequence[EngineShape]) -> tuple[Ints, Ints, Floats, Ints, Flags]:
        """(pool, shape, start USD/h, most, kept) of every column: by shape and pool, what runs there before what could come."""
        places, allowed = self._places, self._places.allowed(deployment) & ~self._places.shut
        found: list[Floats] = [np.zeros((0, 5))]
        for s, shape in enumerate(shapes):
            if shape.id not in self._fits:
                self._fits[shape.id] = places.fits(shape)
                self._start[shape.id] = places.start(self._snapshot, model, shape)
            pool = np.flatnonzero(allowed & self._fits[shape.id])
            slots = places.nodes[pool] // shape.nodes * (places.count[pool] // shape.accelerators_per_node)
            most = np.minimum(deployment.max_replicas, slots)
            running = self._runs.get((deployment.id, shape.id), {})
            kept = np.minimum([running.get(p, 0) for p in pool.tolist()], most) if running else np.zeros(len(pool), np.int64)
            more = np.where(places.closed[pool], 0, most - kept)
            rows = np.zeros((2, len(pool), 5))
            rows[:, :, 0], rows[:, :, 1] = pool, s
            rows[0, :, 3], rows[0, :, 4] = kept, 1.0
            rows[1, :, 2], rows[1, :, 3] = self._start[shape.id][pool], more
            table = rows.transpose(1, 0, 2).reshape(-1, 5)
            found.append(table[table[:, 3] > 0])
        whole = np.concatenate(found)
        return whole[:, 0].astype(np.int64), whole[:, 1].astype(np.int64), whole[:, 2].copy(), whole[:, 3].astype(np.int64), whole[:, 4] > 0

    def _features(self, deployment: Deployment, column: tuple[Ints, Ints, Flags], rates: Floats) -> list[Floats | Ints]:
        """What tells columns, each (pool, shape, kept), apart beyond their cost."""
        rules, places = deployment.rules, self._places
        pool, shape, kept = column
        features: list[Floats | Ints] = [*rates, np.zeros(len(pool))]
        if rules.survivability is not None:
            features.append(places.domain[rules.survivability.domain][pool])
        if rules.spread is not None:
            features.append(places.domain[rules.spread.domain][pool])
        if rules.spot_loss_share > 0:
            features.append(places.spot_group[pool])
        if rules.stockout_share > 0:
            features.append(np.where(kept, -1, places.launch_group[pool]))
        if 0 < rules.spot_ceiling < 1:
            features.append(places.revocable[pool].astype(np.float64))
        if deployment.budget_micro_usd_per_h is not None:
            features.append(self._list_price(pool, shape, deployment))
        features += [places.any_of("cluster", (pin,))[pool].astype(np.float64) for pin in rules.pins]
        return features

    def _list_price(self, pool: Ints, shape: Ints, deployment: Deployment) -> Floats:
        shapes = self._shapes[deployment.model, deployment.engine.value]
        whole = np.array([each.nodes if each.nodes > 1 else 0 for each in shapes], np.float64)[shape] if len(shape) else np.zeros(0)
        taken = np.array([each.accelerators_per_node for each in shapes], np.float64)[shape] if len(shape) else np.zeros(0)
        share = np.where(whole > 0, whole, taken / self._places.count[pool])
        return self._places.list_price[pool] * share / MICRO

    def _rows(
        self, deployment: Deployment, classes: Sequence[DemandClass], rates: Floats, pool: Ints, price: Floats
    ) -> tuple[Floats, Floats, Flags]:
        """The rules that hold always: demand, counts, ceiling, spread, pins."""
        places, rules = self._places, deployment.rules
        rows: list[Floats] = []
        wish: list[float] = []
        covering: list[bool] = []

        def add(row: Floats, right: float, covers: bool) -> None:
            rows.append(row)
            wish.append(right)
            covering.append(covers)

        for row, demand in demand_rows(classes, rates):
            if demand > 0:
                add(row, demand * (1 + deployment.headroom), True)
        ones = np.ones(len(pool))
        if deployment.min_replicas > 0:
            add(ones, float(deployment.min_replicas), True)
        add(-ones, -float(deployment.max_replicas), False)
        revocable = places.revocable[pool]
        if 0 < rules.spot_ceiling < 1 and revocable.any():
            add(rules.spot_ceiling - revocable.astype(np.float64), 0.0, False)
        if rules.spread is not None:
            domain = places.domain[rules.spread.domain][pool]
            for name in np.unique(domain):
                add(rules.spread.max_share - (domain == name), 0.0, False)
        for pin in rules.pins:
            add(places.any_of("cluster", (pin,))[pool].astype(np.float64), 1.0, True)
        if deployment.budget_micro_usd_per_h is not None:
            add(-price, -deployment.budget_micro_usd_per_h / MICRO, False)
        count = len(pool)
        return np.array(rows).reshape(len(rows), count), np.array(wish), np.array(covering, np.bool_)

    def _families(self, deployment: Deployment, classes: Sequence[DemandClass], rates: Floats, kind: tuple[Ints, Flags]) -> list[Family]:
        """Losses that each kind, given as (pool, kept), may fall with."""
        rules, places, found = deployment.rules, self._places, []
        pool, kept = kind
        for row, demand in demand_rows(classes, rates):
            if rules.survivability is not None and demand > 0 and rules.survivability.share > 0:
                domain = places.domain[rules.survivability.domain][pool]
                found.append(
                    Family(
                        f"loss of {rules.survivability.domain.value}",
                        row,
                        demand * rules.survivability.share,
                        domain,
                        rules.survivability.share,
                    )
                )
            if rules.spot_loss_share > 0 and demand > 0:
                found.append(Family("loss of spot", row, demand * rules.spot_loss_share, places.spot_group[pool], rules.spot_loss_share))
            if rules.stockout_share > 0 and demand > 0:
                group = np.where(kept, -1, places.launch_group[pool])
                found.append(Family("stockout", row, demand * rules.stockout_share, group, rules.stockout_share))
        return found


def demand_rows(classes: Sequence[DemandClass], rates: Floats) -> list[tuple[Floats, float]]:
    """(coefficients float64 [kind], demand without headroom) of every joint bottleneck."""
    if not classes:
        return []
    weights = scaled(rates)
    weighted = rates * weights[:, None]
    demand = np.array([each.tokens_per_s for each in classes]) * weights
    return [(weighted[list(chosen)].max(axis=0), float(demand[list(chosen)].sum())) for chosen in subsets(classes, rates > 0)]


def share(shape: EngineShape, pool: Pool) -> float:
    """Share of a node (or number of nodes, for a gang) one replica takes."""
    return float(shape.nodes) if shape.nodes > 1 else shape.accelerators_per_node / pool.offer.instance_type.accelerator_count


def _replicas_needed(rows: Floats, wish: Floats, covering: Flags) -> int:
    needed = 1
    for row, right, covers in zip(rows, wish, covering, strict=True):
        best = row.max() if row.size else 0.0
        if covers and best > 0:
            needed = max(needed, math.ceil(right / best))
    return needed
