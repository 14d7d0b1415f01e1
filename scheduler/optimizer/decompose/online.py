"""One deployment at once, beside a fleet that is decided already: where it would go, and what that adds to the bill.

Nothing of the others moves. What is scarce counts at the price that the last whole decision found, so that a newcomer does not take
what others need more. The next whole decision may improve on it; until then both agree.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.units import MICRO
from scheduler.domain.workload import Deployment
from scheduler.optimizer.decompose.arrays import Floats
from scheduler.optimizer.decompose.assemble import Assembly, Taste, insert, staying
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.fleet import BlockBuilder, FleetArrays, fleet_arrays
from scheduler.optimizer.decompose.places import Places
from scheduler.optimizer.decompose.price import Answer
from scheduler.optimizer.decompose.solve import Decomposed
from scheduler.optimizer.problem import running_replicas

TASTES = (Taste(0.1, 0.0), Taste(0.6, 0.2), Taste(0.9, 1.0))
"""How the gaps of nodes that are paid already are valued; the cheapest of the answers is taken."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Replicas of the deployment in one pool.

    Attributes:
        replicas: all of them. running: of these, how many run there already. new_nodes: to launch for them.
        price_micro_usd_per_h: of one node.
    """

    cluster: str
    offer_id: str
    shape: str
    replicas: int
    running: int
    new_nodes: int
    price_micro_usd_per_h: int


@dataclass(frozen=True, slots=True)
class Placed:
    """What is answered.

    Attributes:
        unserved_share: of the wish, for which there is no room; 0 where all is met.
        added_micro_usd_per_h: what the whole fleet's nodes and starts cost more than without this change; negative where they cost less.
    """

    deployment: str
    spots: tuple[Spot, ...]
    unserved_share: float
    added_micro_usd_per_h: int


class Standby:
    """A decided fleet, kept ready for questions. It never changes; ``Standby.of`` and ``Standby.after`` make a new one."""

    def __init__(self, fleet: FleetArrays, assembly: Assembly, prices: Floats) -> None:
        self._fleet, self._assembly, self._prices = fleet, assembly, prices
        self._builder = BlockBuilder(fleet.snapshot, Places(fleet.snapshot, fleet.pools), running_replicas(fleet.snapshot))
        self._index = {block.deployment.id: index for index, block in enumerate(fleet.blocks)}
        self._models = {model.id: model for model in fleet.snapshot.models}

    @staticmethod
    def of(snapshot: Snapshot) -> Standby:
        """From what runs, at list prices; deployments that have no place yet are left out."""
        fleet = fleet_arrays(snapshot)
        assembly = Assembly(fleet)
        for index, block in enumerate(fleet.blocks):
            answer = staying(block)
            if answer is not None:
                assembly.put(index, answer)
        return Standby(fleet, assembly, fleet.price / fleet.size)

    @staticmethod
    def after(solved: Decomposed) -> Standby:
        """From the last decision, with its prices of what is scarce."""
        return Standby(solved.fleet, solved.assembly, solved.prices)

    @property
    def snapshot(self) -> Snapshot:
        """What it was decided on."""
        return self._fleet.snapshot

    def place(self, deployment: Deployment) -> Placed:
        """Where this deployment would go now: a new one, or a known one with other demand or rules. Nothing is stored.

        Raises:
            InvalidInputError: its model is not known, or has no engine shapes.
        """
        if deployment.model not in self._models:
            known = ", ".join(sorted(self._models)[:10]) or "none"
            raise InvalidInputError("model", deployment.model, "no such model", f"Declare it first; known are {known}.")
        block = self._builder.block(deployment, self._models[deployment.model])
        if not len(block.shapes):
            remedy = "Declare a shape for it, or choose another engine."
            raise InvalidInputError("engine", deployment.engine.value, f"model {deployment.model} has no shape on it", remedy)
        block = self._planned(block)
        beside, index = self._beside(block)
        before = self._assembly.cost()
        trials = [(self._costs(beside, index, answer), answer) for answer in self._answers(beside, index)]
        cost, answer = min(trials, key=lambda trial: trial[0])
        unserved = min(1.0, answer.given_up)
        added = cost - before - block.give_up * unserved
        known_cost = self._assembly.answers[self._index[deployment.id]] if deployment.id in self._index else None
        if known_cost is not None:
            added += self._fleet.blocks[self._index[deployment.id]].give_up * known_cost.given_up
        return Placed(deployment.id, self._spots(beside, block, answer), unserved, round(added * MICRO))

    def _planned(self, block: Block) -> Block:
        """Staying where the last decision put it costs no start."""
        index = self._index.get(block.deployment.id)
        answer = self._assembly.answers[index] if index is not None else None
        if index is None or answer is None:
            return block
        old = self._fleet.blocks[index]
        there = {(p, old.shapes[s].id) for p, s in zip(old.columns.pool[answer.columns], old.columns.shape[answer.columns], strict=True)}
        columns = block.columns
        stays = [(p, block.shapes[s].id) in there for p, s in zip(columns.pool, columns.shape, strict=True)]
        return block.beside(replace(columns, start=np.where(stays, 0.0, columns.start)))

    def _beside(self, block: Block) -> tuple[Assembly, int]:
        """The fleet without this deployment's present answer, and where its new one goes."""
        index = self._index.get(block.deployment.id, len(self._fleet.blocks))
        beside = self._assembly.copy()
        if index < len(beside.answers):
            if beside.answers[index] is not None:
                beside.take(index)
            blocks = (*self._fleet.blocks[:index], block, *self._fleet.blocks[index + 1 :])
        else:
            beside.answers.append(None)
            blocks = (*self._fleet.blocks, block)
        other = copy(beside)
        other.fleet = replace(self._fleet, blocks=blocks)
        return other, index

    def _answers(self, beside: Assembly, index: int) -> list[Answer]:
        stays = staying(beside.fleet.blocks[index])
        found = [insert(beside, index, self._prices, taste) for taste in TASTES]
        return [*found, stays] if stays is not None else found

    @staticmethod
    def _costs(beside: Assembly, index: int, answer: Answer) -> float:
        beside.put(index, answer)
        cost = beside.cost()
        beside.take(index)
        return cost

    def _spots(self, beside: Assembly, block: Block, answer: Answer) -> tuple[Spot, ...]:
        before = np.maximum(beside.nodes(), [pool.existing for pool in self._fleet.pools])
        beside.put(beside.fleet.blocks.index(block), answer)
        more = np.maximum(0.0, beside.nodes() - before)
        counts: dict[tuple[int, int], list[int]] = {}
        for column, count in zip(answer.columns.tolist(), answer.counts.tolist(), strict=True):
            place = counts.setdefault((int(block.columns.pool[column]), int(block.columns.shape[column])), [0, 0])
            place[0] += count
            place[1] += count if block.columns.kept[column] else 0
        return tuple(
            Spot(
                self._fleet.pools[pool].cluster.id,
                self._fleet.pools[pool].offer.id,
                block.shapes[shape].id,
                replicas,
                running,
                int(more[pool]),
                self._fleet.pools[pool].list_price,
            )
            for (pool, shape), (replicas, running) in sorted(counts.items())
        )
