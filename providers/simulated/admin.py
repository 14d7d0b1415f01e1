"""What people and tests do to a market: prices, stockouts, quotas, interruptions. JSON in, JSON out; no HTTP."""

from __future__ import annotations

from providers.simulated.estate import Estate
from providers.simulated.record import iso
from providers.simulated.wire import Json, offer_to_json
from scheduler.domain.errors import InvalidInputError, NoSuchError
from scheduler.domain.units import micro_usd

OFFERS_SHOWN_MAX = 200


class Admin:
    """Commands on an estate. Each answers with what it hit, and nothing hit is an error: a typing mistake must not pass."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    def handle(self, command: str, body: Json) -> Json:
        """Run one command.

        Raises:
            NoSuchError: no such command, or the pattern hits nothing.
            InvalidInputError: a field is wrong.
        """
        actions = {
            "price": self._price,
            "stockout": self._stockout,
            "restock": self._restock,
            "quota": self._quota,
            "interrupt": self._interrupt,
            "reclaim": self._reclaim,
        }
        action = actions.get(command)
        if action is None:
            raise NoSuchError("admin command", command)
        pattern = body.get("match")
        if not isinstance(pattern, str) or not pattern:
            raise InvalidInputError("match", pattern, "no pattern", "Give a part of an offer id or node token, or a glob.")
        with self._estate.lock:
            self._estate.step()
            result = action(pattern, body)
            self._estate.save()
        hit = next(iter(result.values()))
        if not hit:
            raise NoSuchError("offer or machine matching", pattern)
        return result

    def state(self, pattern: str = "") -> Json:
        """Offers that match (the first 200), every machine, what is pinned."""
        with self._estate.lock:
            self._estate.step()
            market = self._estate.market
            offers = [offer for offer in market.offers() if pattern in offer.id]
            pinned = market.overrides()
            machines = [machine.to_json() for machine in self._estate.machines()]
        return {
            "offers": [offer_to_json(offer) for offer in offers[:OFFERS_SHOWN_MAX]],
            "offers_total": len(offers),
            "machines": machines,
            "pinned": {"prices": dict(pinned.prices), "stock": dict(pinned.stock), "quotas": dict(pinned.quotas)},
        }

    def _price(self, pattern: str, body: Json) -> Json:
        market = self._estate.market
        if "usd" in body:
            try:
                amount = micro_usd(body["usd"])
            except ValueError as error:
                raise InvalidInputError("usd", body["usd"], str(error), "Give dollars per hour of the whole instance.") from error
            if amount <= 0:
                raise InvalidInputError("usd", body["usd"], "a price is positive", "Give dollars per hour of the whole instance.")
            return {"offers": [offer_to_json(offer) for offer in market.pin_price(pattern, micro_usd_per_h=amount)]}
        if "percent" in body:
            percent = _number(body, "percent")
            if percent <= -100:
                raise InvalidInputError("percent", percent, "a price stays positive", "Give more than -100.")
            return {"offers": [offer_to_json(offer) for offer in market.pin_price(pattern, factor=1 + percent / 100)]}
        return {"offers": [offer_to_json(offer) for offer in market.unpin(pattern)]}

    def _stockout(self, pattern: str, body: Json) -> Json:
        return {"offers": [offer_to_json(offer) for offer in self._estate.market.stockout(pattern)]}

    def _restock(self, pattern: str, body: Json) -> Json:
        count = None if body.get("count") is None else int(_number(body, "count"))
        return {"offers": [offer_to_json(offer) for offer in self._estate.market.restock(pattern, count)]}

    def _quota(self, pattern: str, body: Json) -> Json:
        return {"quotas": [quota.id for quota in self._estate.market.set_quota(pattern, int(_number(body, "limit")))]}

    def _interrupt(self, pattern: str, body: Json) -> Json:
        notice_s = None if body.get("notice_s") is None else max(0.0, _number(body, "notice_s"))
        events = self._estate.market.interrupt(pattern, self._estate.now(), notice_s)
        self._estate.apply(events)
        return {"machines": [{"id": event.holding.machine, "deadline": iso(event.holding.deadline)} for event in events]}

    def _reclaim(self, pattern: str, body: Json) -> Json:
        events = self._estate.market.reclaim(pattern, self._estate.now())
        self._estate.apply(events)
        return {"machines": [{"id": event.holding.machine, "deadline": iso(event.at)} for event in events]}


def _number(body: Json, name: str) -> float:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise InvalidInputError(name, value, "not a number", "Give a number.")
    return float(value)
