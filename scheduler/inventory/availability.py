"""What a provider's own word on stock means as a cap. Pure. Kinds are not converted into one another; each has its own reading."""

from __future__ import annotations

import math
from collections.abc import Mapping

from scheduler.domain.offer import AvailabilityKind, CapacityType, Offer, StockBucket
from scheduler.domain.snapshot import LaunchCap

UNKNOWN_NODES = 4
UNKNOWN_CONFIDENCE = 0.3

_BUCKETS: Mapping[StockBucket, tuple[int, float]] = {
    StockBucket.NONE: (0, 0.9),
    StockBucket.LOW: (2, 0.6),
    StockBucket.MEDIUM: (8, 0.6),
    StockBucket.HIGH: (32, 0.7),
}


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
