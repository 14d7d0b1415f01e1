"""The prices that prove a bound, as a value that anybody may recompute from the problem alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scheduler.domain.units import MICRO
from scheduler.optimizer.decompose.blocks import Block
from scheduler.optimizer.decompose.fleet import FleetArrays
from scheduler.optimizer.decompose.master import Scarcity
from scheduler.optimizer.problem import pools_of

WEIGHTS_MAX = 40
SHUT = 1e10
"""Micro-USD per accelerator and hour in a pool that can hold no node: any price is right where nothing can be had."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Multipliers of the Lagrangian bound.

    Attributes:
        pools: micro-USD per accelerator and hour, by pool id. limits: micro-USD/h per unit, by ``offer:``, ``quota:`` or
            ``reservation:`` and id. weights: by deployment, worth of a token/s by index of its demand, of every joint bottleneck
            that the bound was found with. bound_micro_usd_per_h: what they prove, as claimed.
    """

    pools: dict[str, float]
    limits: dict[str, float]
    weights: dict[str, list[dict[str, float]]]
    bound_micro_usd_per_h: int

    def as_document(self) -> dict[str, object]:
        """The certificate document, version 1."""
        return {
            "format": "headrace-certificate",
            "version": 1,
            "pool_multipliers_micro_usd_per_accelerator_h": self.pools,
            "resource_multipliers": self.limits,
            "class_weights": [
                {"deployment": deployment, "by_demand": by_demand} for deployment, each in self.weights.items() for by_demand in each
            ],
            "claimed_bound_micro_usd_per_h": self.bound_micro_usd_per_h,
        }


def certificate(fleet: FleetArrays, scarcity: Scarcity, bound: float) -> Certificate:
    """Of a bound in USD/h."""
    prices = scarcity.prices(fleet) * MICRO
    shut = {pool.id: SHUT for pool in pools_of(fleet.snapshot) if pool.max_nodes == 0}
    return Certificate(
        pools=shut | {pool.id: float(price) for pool, price in zip(fleet.pools, prices, strict=True)},
        limits={limit.id: float(value) * MICRO for limit, value in zip(fleet.limits, scarcity.limit, strict=True) if value > 0},
        weights={block.deployment.id: list(_by_demand(block)) for block in fleet.blocks if block.weights},
        bound_micro_usd_per_h=int(bound * MICRO),
    )


def _by_demand(block: Block) -> Iterator[dict[str, float]]:
    of = {id(demand): k for k, demands in enumerate(block.classes) for demand in demands.demands}
    seen: set[bytes] = set()
    for weights in block.weights:
        key = np.round(weights, 9).tobytes()
        if key not in seen and len(seen) < WEIGHTS_MAX:
            seen.add(key)
            yield {str(index): float(round(weights[of[id(demand)]], 9)) for index, demand in enumerate(block.deployment.demand)}
