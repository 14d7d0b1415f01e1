"""A seeded market: prices, stock, stockouts and interruptions that move with the time it is told.

Pure: no clock, no file, no socket, no process. The same seed, offers and sequence of calls give the same market, tick by
tick, however often ``step`` is called in between, so that it serves a real process and a simulation on a fake clock alike.
It knows offers and holdings (who rents what); what a rented machine *is*, others know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from providers.simulated.holding import Happening, Holding, MarketEvent, Refusal, RefusedError
from providers.simulated.match import matches
from providers.simulated.shelf import Shelf, Temper
from scheduler.domain.errors import NoSuchError
from scheduler.domain.offer import Availability, CapacityType, Offer, Quota, QuotaUnit

TICKS_PER_STEP_MAX = 5_000
"""A market that slept longer than this many ticks wakes up where it fell asleep instead of replaying for minutes."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What people pinned, by offer id; survives a restart of the market."""

    prices: Mapping[str, int] = field(default_factory=dict)
    stock: Mapping[str, int] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)


class Market:
    """The state of all simulated clouds. Not thread-safe: whoever shares it holds a lock."""

    def __init__(self, seed: int, base_offers: Iterable[Offer], temper: Temper | None = None) -> None:
        """``base_offers`` give identity, list price, notice and hazard; their availability is replaced by this market's."""
        self.temper = temper or Temper()
        offers = sorted(base_offers, key=lambda offer: offer.id)
        on_demand = {_without_capacity(offer): offer.price_micro_usd_per_h for offer in offers if not offer.capacity_type.revocable}
        self._shelves = {
            offer.id: Shelf.stocked(offer, seed=seed, temper=self.temper, ceiling_micro_usd_per_h=on_demand.get(_without_capacity(offer)))
            for offer in offers
        }
        self._holdings: dict[str, Holding] = {}
        self._rented: Counter[str] = Counter()
        self._quota_limits: dict[str, int] = {}
        self._now: datetime | None = None
        self._next_tick: datetime | None = None

    # Time

    def step(self, now: datetime) -> tuple[MarketEvent, ...]:
        """Bring the market to ``now``: every tick in between happens, then what is due is reclaimed. Time never goes back."""
        if self._now is None or self._next_tick is None:
            self._now, self._next_tick = now, now + timedelta(seconds=self.temper.tick_s)
        events: list[MarketEvent] = []
        tick = timedelta(seconds=self.temper.tick_s)
        if (now - self._next_tick) / tick > TICKS_PER_STEP_MAX:
            self._next_tick = now
        while self._next_tick <= now:
            events += self._tick(self._next_tick)
            self._next_tick += tick
        self._now = max(self._now, now)
        events += self._reclaim_due(self._now)
        return tuple(events)

    def _tick(self, at: datetime) -> list[MarketEvent]:
        for shelf in self._shelves.values():
            shelf.tick(at, self.temper)
        events: list[MarketEvent] = []
        for holding in sorted(self._holdings.values(), key=lambda held: held.machine):
            found = self._shelves.get(holding.offer_id)
            if found is not None and holding.deadline is None and found.interrupts(self.temper):
                events.append(self._notice(holding, at, found.offer.notice_s))
        return events

    def _reclaim_due(self, now: datetime) -> list[MarketEvent]:
        due = [held for held in self._holdings.values() if held.deadline is not None and held.deadline <= now]
        return self._take_back(due, now)

    def _take_back(self, taken: Iterable[Holding], now: datetime) -> list[MarketEvent]:
        return [MarketEvent(Happening.RECLAIMED, held, now) for held in taken if self.release(held.machine) is not None]

    def _notice(self, holding: Holding, at: datetime, notice_s: float) -> MarketEvent:
        noticed = replace(holding, noticed_at=at, deadline=at + timedelta(seconds=notice_s))
        self._holdings[holding.machine] = noticed
        return MarketEvent(Happening.NOTICED, noticed, at)

    # Reading

    def offers(self, cloud: str = "") -> tuple[Offer, ...]:
        """Every offer of a cloud (all clouds for ""), with its present price and stock."""
        return tuple(self.offer(shelf.offer.id) for shelf in self._shelves.values() if cloud in ("", shelf.offer.provider))

    def offer(self, offer_id: str) -> Offer:
        """One offer as of the last step.

        Raises:
            NoSuchError: there is no such offer.
        """
        shelf = self._shelves.get(offer_id)
        if shelf is None:
            raise NoSuchError("offer", offer_id)
        return replace(
            shelf.offer,
            price_micro_usd_per_h=shelf.price_micro_usd_per_h,
            availability=Availability.of_count(shelf.stock(self._rented[offer_id])),
            observed_at=self._now or shelf.offer.observed_at,
            interruptions_per_h=shelf.hazard_per_h if shelf.offer.capacity_type.revocable else None,
        )

    def holdings(self, cloud: str = "") -> tuple[Holding, ...]:
        """Every machine rented at a cloud (all clouds for "")."""
        return tuple(held for held in self._holdings.values() if cloud in ("", held.offer_id.split("/", 1)[0]))

    def quotas(self, cloud: str = "") -> tuple[Quota, ...]:
        """Limits per region, family and kind of purchase, in GPUs."""
        seen: dict[str, Quota] = {}
        for shelf in self._shelves.values():
            if cloud in ("", shelf.offer.provider):
                quota = self._quota(shelf.offer)
                seen.setdefault(quota.id, quota)
        return tuple(seen.values())

    def _quota(self, offer: Offer) -> Quota:
        kind = offer.instance_type
        bare = Quota(
            kind.provider, offer.account, offer.region, kind.quota_family, QuotaUnit.GPU, self.temper.quota_gpus,
            (CapacityType.SPOT,) if offer.capacity_type.revocable else (CapacityType.ON_DEMAND,), self._now or offer.observed_at,
        )  # fmt: skip
        return replace(bare, limit=self._quota_limits.get(bare.id, bare.limit))

    # Renting

    def allocate(self, offer_id: str, holding: Holding) -> Holding:
        """Rent one machine.

        Raises:
            NoSuchError: there is no such offer.
            RefusedError: sold out, or our quota is used up.
        """
        offer = self.offer(offer_id)
        quota = self._quota(offer)
        covered = (self._shelves[held.offer_id].offer for held in self._holdings.values() if held.offer_id in self._shelves)
        used = sum(quota.units_of(other.instance_type) for other in covered if quota.covers(other))
        needed = quota.units_of(offer.instance_type)
        if used + needed > quota.limit:
            raise RefusedError(Refusal.QUOTA, f"quota {quota.id} is {quota.limit} {quota.unit}, {used} in use, {needed} asked for")
        if offer.availability.sold_out:
            raise RefusedError(Refusal.STOCKOUT, f"{offer_id} is sold out")
        shelf = self._shelves[offer_id]
        if shelf.pinned_stock is not None:
            shelf.pinned_stock -= 1
        return self.adopt(holding)

    def adopt(self, holding: Holding) -> Holding:
        """Take over a machine that was rented before this market began."""
        if holding.machine not in self._holdings:
            self._rented[holding.offer_id] += 1
        self._holdings[holding.machine] = holding
        return holding

    def release(self, machine: str) -> Holding | None:
        """Give a machine back; None where it is not rented (any more)."""
        holding = self._holdings.pop(machine, None)
        if holding is not None:
            self._rented[holding.offer_id] -= 1
            shelf = self._shelves.get(holding.offer_id)
            if shelf is not None and shelf.pinned_stock:
                shelf.pinned_stock += 1
        return holding

    # What people do to the market

    def pin_price(self, pattern: str, *, micro_usd_per_h: int | None = None, factor: float | None = None) -> tuple[Offer, ...]:
        """Set a price, or multiply the present one; it stays until ``unpin``. Returns the offers that changed."""
        shelves = self._matching(pattern)
        for shelf in shelves:
            value = (
                micro_usd_per_h if micro_usd_per_h is not None else round(shelf.price_micro_usd_per_h * (1.0 if factor is None else factor))
            )
            shelf.pinned_price = max(1, value)
        return self._as_offers(shelves)

    def stockout(self, pattern: str) -> tuple[Offer, ...]:
        """Sell out of every matching offer until ``restock``."""
        return self._pin_stock(pattern, 0)

    def restock(self, pattern: str, count: int | None = None) -> tuple[Offer, ...]:
        """Back to the market's own stock, or to a fixed count."""
        for shelf in self._matching(pattern):
            shelf.out_until, shelf.others = None, 0
        return self._pin_stock(pattern, count)

    def unpin(self, pattern: str) -> tuple[Offer, ...]:
        """Let the market price these again."""
        shelves = self._matching(pattern)
        for shelf in shelves:
            shelf.pinned_price = None
        return self._as_offers(shelves)

    def set_quota(self, pattern: str, limit: int) -> tuple[Quota, ...]:
        """Change our limit where the quota's id matches."""
        hit = [quota for quota in self.quotas() if matches(pattern, quota.id)]
        self._quota_limits.update({quota.id: limit for quota in hit})
        return tuple(replace(quota, limit=limit) for quota in hit)

    def interrupt(self, pattern: str, now: datetime, notice_s: float | None = None) -> tuple[MarketEvent, ...]:
        """Give notice to every matching machine, spot or not; ``None`` takes the cloud's own notice, 0 takes it back at the next step."""
        events: list[MarketEvent] = []
        for held in self.holdings():
            if held.answers_to(pattern):
                shelf = self._shelves.get(held.offer_id)
                own_s = shelf.offer.notice_s if shelf is not None else 0
                events.append(self._notice(held, now, own_s if notice_s is None else notice_s))
        return tuple(events)

    def reclaim(self, pattern: str, now: datetime) -> tuple[MarketEvent, ...]:
        """Take every matching machine at once, without a word."""
        return tuple(self._take_back([held for held in self.holdings() if held.answers_to(pattern)], now))

    def overrides(self) -> Overrides:
        """Everything people pinned."""
        prices = {key: shelf.pinned_price for key, shelf in self._shelves.items() if shelf.pinned_price is not None}
        stock = {key: shelf.pinned_stock for key, shelf in self._shelves.items() if shelf.pinned_stock is not None}
        return Overrides(prices, stock, dict(self._quota_limits))

    def restore(self, overrides: Overrides) -> None:
        """Pin again what was pinned before a restart; offers that no longer exist are ignored."""
        for key, shelf in self._shelves.items():
            shelf.pinned_price = overrides.prices.get(key)
            shelf.pinned_stock = overrides.stock.get(key)
        self._quota_limits = dict(overrides.quotas)

    def _pin_stock(self, pattern: str, count: int | None) -> tuple[Offer, ...]:
        shelves = self._matching(pattern)
        for shelf in shelves:
            shelf.pinned_stock = count
        return self._as_offers(shelves)

    def _matching(self, pattern: str) -> list[Shelf]:
        return [shelf for key, shelf in self._shelves.items() if matches(pattern, key)]

    def _as_offers(self, shelves: Iterable[Shelf]) -> tuple[Offer, ...]:
        return tuple(self.offer(shelf.offer.id) for shelf in shelves)


def _without_capacity(offer: Offer) -> str:
    return offer.id.rsplit("/", 1)[0]
