"""Evidence of capacity: what providers say and what our launches taught become one cap per offer, and one launch budget.

Pure; time is an argument. Every class of refusal has its own scope and its own pause:

- a stockout holds back its offer, and makes its neighbours doubtful once two of them are sold out;
- a quota holds back everything that draws on it;
- a rate limit or wrong credentials hold back the account.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler.domain.errors import AuthError, ProviderError, QuotaExceededError, RateLimitedError, StockoutError, TransientError
from scheduler.domain.evidence import Exposure, LaunchBudget, LaunchRecord
from scheduler.domain.fleet import Node
from scheduler.domain.offer import CapacityType, InstanceType, Offer
from scheduler.domain.snapshot import LaunchCap
from scheduler.inventory.availability import cap_from_availability

WINDOW_MAX = 64
STOCKOUT_PAUSE_MIN = timedelta(minutes=5)
STOCKOUT_PAUSE_MAX = timedelta(hours=2)
QUOTA_PAUSE = timedelta(minutes=15)
AUTH_PAUSE = timedelta(minutes=10)
REFUSAL_PAUSE = timedelta(minutes=5)
MEMORY = timedelta(hours=2)
"""A record that rested so long after its pause ended starts anew."""
AREA_MEMORY = timedelta(minutes=15)
AREA_REFUSED_MIN = 2
DOUBTFUL_CONFIDENCE = 0.3

PRIOR_NODE_HOURS = 24.0
"""The published (or guessed) interruption rate counts as much as this many hours of our own nodes."""
PRIOR_INTERRUPTIONS_PER_H = 0.02

Records = Mapping[str, LaunchRecord]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a launch goes: everything that a refusal of it may hold back."""

    offer_id: str
    instance_type: InstanceType
    region: str
    account: str
    capacity_type: CapacityType

    @staticmethod
    def of_offer(offer: Offer) -> Place:
        return Place(offer.id, offer.instance_type, offer.region, offer.account, offer.capacity_type)

    @staticmethod
    def of_node(node: Node) -> Place:
        _, account, region = node.offer_id.split("/")[:3]
        return Place(node.offer_id, node.instance_type, region, account, node.capacity_type)

    @property
    def offer(self) -> str:
        return f"offer:{self.offer_id}"

    @property
    def quota(self) -> str:
        family = self.instance_type.quota_family or self.instance_type.name
        return f"quota:{self.instance_type.provider}/{self.account}/{self.region}/{family}/{self.capacity_type.value}"

    @property
    def owner(self) -> str:
        return f"account:{self.instance_type.provider}/{self.account}"

    @property
    def area(self) -> str:
        return f"area:{self.instance_type.provider}/{self.region}/{self.instance_type.accelerator}"


def learned(records: Records, node: Node, error: ProviderError | None, now: datetime) -> tuple[LaunchRecord, ...]:
    """What changes after one launch: it worked (``error`` None), or was refused. A transient error teaches nothing."""
    place = Place.of_node(node)
    match error:
        case None:
            scopes = [place.offer, *(scope for scope in (place.quota, place.owner) if scope in records)]
            return tuple(_worked(records.get(scope), scope, now) for scope in scopes)
        case QuotaExceededError():
            family = node.instance_type.quota_family or node.instance_type.name
            return (
                _paused(records.get(place.quota), place.quota, now, QUOTA_PAUSE, f"the quota of {family} in {place.region} is used up"),
            )
        case RateLimitedError():
            pause = timedelta(seconds=max(1.0, error.retry_after_s))
            return (_paused(records.get(place.owner), place.owner, now, pause, "the provider limits how often it may be asked"),)
        case AuthError():
            return (_paused(records.get(place.owner), place.owner, now, AUTH_PAUSE, f"the credentials do not work: {error}"),)
        case TransientError():
            return ()
        case StockoutError():
            return _sold_out(records, place, error, now)
        case _:
            cause = f"the order was refused: {error}"
            return (_paused(records.get(place.offer), place.offer, now, REFUSAL_PAUSE, cause),)


def _sold_out(records: Records, place: Place, error: ProviderError, now: datetime) -> tuple[LaunchRecord, ...]:
    before = _remembered(records.get(place.offer), now)
    strikes = before.strikes + 1 if before else 1
    pause = min(STOCKOUT_PAUSE_MIN * 2 ** min(strikes - 1, 16), STOCKOUT_PAUSE_MAX)
    own = _paused(before, place.offer, now, pause, f"launch refused {strikes} in a row ({error.code or type(error).__name__})")
    area = records.get(place.area)
    lately = {offer: at for offer, at in (area.refused if area else ()) if now - at < AREA_MEMORY} | {place.offer_id: now}
    return own, LaunchRecord(place.area, now, refused=tuple(sorted(lately.items())))


def _worked(before: LaunchRecord | None, scope: str, now: datetime) -> LaunchRecord:
    kept = _remembered(before, now) or LaunchRecord(scope, now)
    return replace(kept, changed_at=now, strikes=0, successes=kept.successes + 1, until=None, cause="")


def _paused(before: LaunchRecord | None, scope: str, now: datetime, pause: timedelta, cause: str) -> LaunchRecord:
    kept = _remembered(before, now)
    return LaunchRecord(scope, now, strikes=(kept.strikes if kept else 0) + 1, successes=0, until=now + pause, cause=cause)


def _remembered(record: LaunchRecord | None, now: datetime) -> LaunchRecord | None:
    if record is None or now - max(record.changed_at, record.until or record.changed_at) >= MEMORY:
        return None
    return record


# --- readings -------------------------------------------------------------------------------------------------------------------


def launch_budget(place: Place, records: Records, now: datetime) -> LaunchBudget:
    """How many launches of this offer may be under way at once: one probe, doubling with every success."""
    for scope in (place.owner, place.quota, place.offer):
        record = records.get(scope)
        if record is not None and record.until is not None and record.until > now:
            return LaunchBudget(0, record.until, f"{record.cause}: tried again after {record.until:%H:%M} UTC")
    own = _remembered(records.get(place.offer), now)
    worked = own.successes if own else 0
    return LaunchBudget(min(2 ** min(worked, 16), WINDOW_MAX), None, _history(own))


def launch_cap(offer: Offer, records: Records, now: datetime, target_s: int) -> LaunchCap | None:
    """How many more nodes of this offer could launch now, how sure that is and why: all evidence together.

    The provider's word is the base and grows old: its confidence halves with every freshness target. A pause makes it 0. After a
    refusal one node may be tried, and twice as many with every launch that works. Where two neighbours of the same accelerator were
    sold out within a quarter of an hour, an offer that has not been tried gets one node.
    """
    said = cap_from_availability(offer)
    place = Place.of_offer(offer)
    budget = launch_budget(place, records, now)
    if budget.window == 0:
        return LaunchCap(0, 1.0, budget.reason, budget.until)
    if said is None:
        return None
    aged = _aged(said, offer, now, target_s)
    own = _remembered(records.get(place.offer), now)
    if own is not None and own.strikes:
        return _tighter(aged, LaunchCap(1, DOUBTFUL_CONFIDENCE, f"{_history(own)}: one probe"))
    if own is not None and own.successes:
        sure = min(0.95, aged.confidence + 0.1 * own.successes)
        return replace(aged, confidence=sure, reason=f"{aged.reason}; {_history(own)}")
    doubt = _doubt(place, records, now)
    return _tighter(aged, doubt) if doubt else aged


def _aged(cap: LaunchCap, offer: Offer, now: datetime, target_s: int) -> LaunchCap:
    age_s = max(0.0, (now - offer.observed_at).total_seconds())
    return replace(cap, confidence=round(cap.confidence * 0.5 ** (age_s / max(1, target_s)), 3))


def _doubt(place: Place, records: Records, now: datetime) -> LaunchCap | None:
    area = records.get(place.area)
    others = [offer for offer, at in (area.refused if area else ()) if now - at < AREA_MEMORY and offer != place.offer_id]
    if len(others) < AREA_REFUSED_MIN:
        return None
    kind = place.instance_type.accelerator
    return LaunchCap(1, DOUBTFUL_CONFIDENCE, f"{len(others)} other offers of {kind} in {place.region} are sold out: one probe")


def _tighter(said: LaunchCap, own: LaunchCap) -> LaunchCap:
    """The smaller cap; of equals the learned one, since our own launch is the fresher evidence."""
    return own if own.nodes <= said.nodes else said


def _history(record: LaunchRecord | None) -> str:
    if record is None:
        return "never tried lately"
    if record.strikes:
        return f"{record.cause}, last at {record.changed_at:%H:%M} UTC"
    return f"{record.successes} launches worked, last at {record.changed_at:%H:%M} UTC"


def hazard(offer: Offer, exposure: Exposure | None) -> float | None:
    """Expected interruptions per node and hour: the published rate, corrected by what happened to our own nodes.

    None where the offer is not revocable and nothing was ever published.
    """
    if not offer.capacity_type.revocable:
        return offer.interruptions_per_h
    if exposure is None or exposure.node_hours <= 0:
        return offer.interruptions_per_h
    prior = PRIOR_INTERRUPTIONS_PER_H if offer.interruptions_per_h is None else offer.interruptions_per_h
    seen = (prior * PRIOR_NODE_HOURS + exposure.interruptions) / (PRIOR_NODE_HOURS + exposure.node_hours)
    return seen if math.isfinite(seen) else prior


def held_back(records: Records, now: datetime) -> Mapping[str, LaunchCap]:
    """Everything that is left alone at present, by scope, with the reason."""
    return {
        scope.removeprefix("offer:"): LaunchCap(0, 1.0, record.cause, record.until)
        for scope, record in sorted(records.items())
        if record.until is not None and record.until > now
    }
