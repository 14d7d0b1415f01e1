"""The prices that prove a bound, as a value that anybody may recompute from the problem alone."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.domain.units import MICRO
from scheduler.optimizer.decompose.fleet import FleetArrays
from scheduler.optimizer.decompose.master import Scarcity


@dataclass(frozen=True, slots=True)
class Certificate:
    """Multipliers of the Lagrangian bound.

    Attributes:
        pools: micro-USD per accelerator and hour, by pool id. limits: micro-USD/h per unit, by ``offer:``, ``quota:`` or
            ``reservation:`` and id. bound_micro_usd_per_h: what they prove, as claimed.
    """

    pools: dict[str, float]
    limits: dict[str, float]
    bound_micro_usd_per_h: int

    def as_document(self) -> dict[str, object]:
        """The certificate document, version 1."""
        return {
            "format": "headrace-certificate",
            "version": 1,
            "pool_multipliers_micro_usd_per_accelerator_h": self.pools,
            "resource_multipliers": self.limits,
            "claimed_bound_micro_usd_per_h": self.bound_micro_usd_per_h,
        }


def certificate(fleet: FleetArrays, scarcity: Scarcity, bound: float) -> Certificate:
    """Of a bound in USD/h."""
    prices = scarcity.prices(fleet) * MICRO
    return Certificate(
        pools={pool.id: float(price) for pool, price in zip(fleet.pools, prices, strict=True)},
        limits={limit.id: float(value) * MICRO for limit, value in zip(fleet.limits, scarcity.limit, strict=True) if value > 0},
        bound_micro_usd_per_h=int(bound * MICRO),
    )
