"""One offer on the market's shelf: how its price and stock move by themselves, and what people pinned.

Knows nothing of tenants, machines or other offers.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.domain.offer import Offer


@dataclass(frozen=True, slots=True)
class Temper:
    """How lively a market is.

    Attributes:
        tick_s: seconds between moves of prices and stock.
        volatility: scales everything random; 0 leaves only what people do to the market.
        spot_sigma: standard deviation that a spot price settles into, as a share of its list price.
        spot_reversion_per_h: share of a deviation that is gone after an hour.
        stockouts_per_h: how often an offer sells out of itself; stockout_h: how long that lasts on average.
        interruptions_per_h: mean hazard of a spot node where the offer states none.
        quota_gpus: limit per cloud, region, family and kind of purchase.
    """

    tick_s: int = 60
    volatility: float = 1.0
    spot_sigma: float = 0.12
    spot_reversion_per_h: float = 0.5
    stockouts_per_h: float = 0.01
    stockout_h: float = 1.0
    interruptions_per_h: float = 0.02
    quota_gpus: int = 64


@dataclass(slots=True)
class Shelf:
    """One offer's moving parts.

    Attributes:
        nominal: instances on the shelf when nobody else rents; others: how many other tenants took.
        ceiling_micro_usd_per_h: what it never costs more than: spot never exceeds on-demand.
        hazard_per_h: interruptions per node and hour.
        rng: moves price and stock; fate: strikes our nodes. Apart, so that renting does not change prices: two policies can be
            compared in the same market.
        deviation: logarithm of the present price over the list price.
        pinned_price, pinned_stock: what people set; None where the market decides.
    """

    offer: Offer
    rng: random.Random
    fate: random.Random
    nominal: int
    ceiling_micro_usd_per_h: int
    hazard_per_h: float
    deviation: float = 0.0
    others: int = 0
    out_until: datetime | None = None
    pinned_price: int | None = None
    pinned_stock: int | None = None

    @staticmethod
    def stocked(offer: Offer, *, seed: int, temper: Temper, ceiling_micro_usd_per_h: int | None) -> Shelf:
        """A shelf at its list price. Each has its own generator: adding an offer does not change the fate of the others."""
        rng = random.Random(f"{seed}:{offer.id}")  # noqa: S311 - a simulation, not a secret
        gpus = offer.instance_type.accelerator_count
        nominal = rng.randint(1, 4) if gpus >= 8 else rng.randint(2, 6) if gpus > 1 else rng.randint(4, 12)
        hazard = offer.interruptions_per_h
        if hazard is None:
            hazard = temper.interruptions_per_h * rng.uniform(0.4, 1.6)
        ceiling = ceiling_micro_usd_per_h or 2 * offer.price_micro_usd_per_h
        fate = random.Random(f"{seed}:{offer.id}:interruptions")  # noqa: S311 - a simulation, not a secret
        return Shelf(
            offer,
            rng,
            fate,
            nominal,
            max(ceiling, offer.price_micro_usd_per_h),
            hazard if offer.capacity_type.revocable else 0.0,
        )

    def tick(self, at: datetime, temper: Temper) -> None:
        """Move price and stock by one tick. Draws the same numbers whatever people pinned, so that pins don't change fate."""
        hours = temper.tick_s / 3600
        draw, walk, out = self.rng.gauss(0.0, 1.0), self.rng.random(), self.rng.random()
        if self.offer.capacity_type.revocable:
            # Ornstein-Uhlenbeck, exact discretisation: it settles into spot_sigma whatever the tick.
            keep = math.exp(-temper.spot_reversion_per_h * hours)
            noise = temper.spot_sigma * temper.volatility * math.sqrt(1 - keep * keep)
            self.deviation = self.deviation * keep + noise * draw
        if walk < 0.2 * temper.volatility * min(1.0, hours * 60):
            self.others = min(max(self.others + (1 if draw > 0 else -1), 0), self.nominal - 1)
        if self.out_until is not None and self.out_until <= at:
            self.out_until = None
        if out < chance(temper.stockouts_per_h * temper.volatility, hours):
            self.out_until = at + timedelta(hours=self.rng.expovariate(1 / temper.stockout_h))

    def interrupts(self, temper: Temper) -> bool:
        """Whether chance takes one more node of this offer in this tick."""
        return self.fate.random() < chance(self.hazard_per_h * temper.volatility, temper.tick_s / 3600)

    @property
    def price_micro_usd_per_h(self) -> int:
        if self.pinned_price is not None:
            return self.pinned_price
        moved = round(self.offer.price_micro_usd_per_h * math.exp(self.deviation))
        return max(1, min(moved, self.ceiling_micro_usd_per_h))

    def stock(self, rented: int) -> int:
        """Instances left, when ``rented`` of them are ours."""
        if self.pinned_stock is not None:
            return self.pinned_stock
        return 0 if self.out_until is not None else max(0, self.nominal - self.others - rented)


def chance(rate_per_h: float, hours: float) -> float:
    """Probability of at least one event of a Poisson process."""
    return -math.expm1(-rate_per_h * hours)
