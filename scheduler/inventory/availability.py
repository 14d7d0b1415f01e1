"""From evidence to launch caps: how many more nodes of an offer could launch now. Pure; time is an argument.

Kinds of evidence are not converted into one another; each has its own reading, with its own confidence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from scheduler.domain.offer import AvailabilityKind, CapacityType, Offer, StockBucket
from scheduler.domain.snapshot import LaunchCap

UNKNOWN_NODES = 4
UNKNOWN_CONFIDENCE = 0.3
STOCKOUT_BACKOFF_MIN = timedelta(minutes=5)
STOCKOUT_BACKOFF_MAX = timedelta(hours=2)
STOCKOUT_MEMORY = timedelta(hours=2)
"""A stockout that much later than the end of the last backoff counts as the first again."""
QUOTA_BACKOFF = timedelta(minutes=15)

_BUCKETS: Mapping[StockBucket, tuple[int, float]] = {
    StockBucket.NONE: (0, 0.9),
    StockBucket.LOW: (2, 0.6),
    StockBucket.MEDIUM: (8, 0.6),
    StockBucket.HIGH: (32, 0.7),
}
_STRIKES = re.compile(r"^stockout (\d+) in a row")


def cap_from_availability(offer: Offer) -> LaunchCap | None:
    """The cap that the provider's own word implies; None where a reservation bounds the offer instead.

    A count is itself. A bucket of none, low, medium, high reads as 0, 2, 8, 32; a plain no as 0, a plain yes as 4; a score
    from 0 to 1 as tenths, rounded down. Unknown is not sold out: a cautious 4.
    """
    said = offer.availability
    match said.kind:
        case AvailabilityKind.COUNT:
            nodes, confidence = max(0, said.count or 0), 0.95
        case AvailabilityKind.BUCKET:
            nodes, confidence = _BUCKETS[said.bucket or StockBucket.NONE]
        case AvailabilityKind.BOOLEAN:
            nodes, confidence = (4, 0.5) if said.available else (0, 0.9)
        case AvailabilityKind.SCORE:
            nodes, confidence = math.floor((said.score or 0.0) * 10 + 1e-9), 0.6
        case _ if offer.capacity_type in (CapacityType.RESERVED, CapacityType.CAPACITY_BLOCK):
            return None
        case _:
            return LaunchCap(UNKNOWN_NODES, UNKNOWN_CONFIDENCE, f"{offer.provider} tells no stock: a cautious {UNKNOWN_NODES}")
    return LaunchCap(nodes, confidence, f"{offer.provider} says: {said.text()}")


def cap_after_stockout(previous: LaunchCap | None, now: datetime) -> LaunchCap:
    """No launches of this offer for 5 minutes, doubling with every further stockout up to 2 hours.

    Args:
        previous: the last cap learned for the offer, also one that has run out within ``STOCKOUT_MEMORY``: ask the evidence
            store for the caps in force at ``now - STOCKOUT_MEMORY``.
    """
    strikes = 1
    if previous is not None and previous.until is not None and now - previous.until < STOCKOUT_MEMORY:
        seen = _STRIKES.match(previous.reason)
        strikes = int(seen.group(1)) + 1 if seen else 1
    doublings = min(strikes - 1, 16)  # far beyond the maximum already, and keeps the power small
    until = now + min(STOCKOUT_BACKOFF_MIN * 2**doublings, STOCKOUT_BACKOFF_MAX)
    return LaunchCap(0, 1.0, f"stockout {strikes} in a row at launch: tried again after {until:%H:%M} UTC", until)


def caps_after_quota_error(offers: Iterable[Offer], refused: Offer, now: datetime) -> Mapping[str, LaunchCap]:
    """No launches for 15 minutes of every offer that draws on the limit that refused one: its account, region and family."""
    until = now + QUOTA_BACKOFF
    family = refused.instance_type.quota_family or refused.instance_type.name
    cap = LaunchCap(0, 1.0, f"quota of {family} in {refused.region} is used up: tried again after {until:%H:%M} UTC", until)
    return {offer.id: cap for offer in (*offers, refused) if _same_limit(offer, refused)}


def tighter(stock: LaunchCap | None, learned: LaunchCap | None) -> LaunchCap | None:
    """The smaller cap; of equals the learned one, since our own launch is the fresher evidence."""
    if stock is None or learned is None:
        return learned or stock
    return learned if learned.nodes <= stock.nodes else stock


def _same_limit(offer: Offer, refused: Offer) -> bool:
    one, other = offer.instance_type, refused.instance_type
    same_family = one.quota_family == other.quota_family if other.quota_family else one.name == other.name
    same_place = (offer.provider, offer.account, offer.region) == (refused.provider, refused.account, refused.region)
    return same_place and same_family and offer.capacity_type == refused.capacity_type
