"""A recorded GPU market as a provider: what marketplaces listed, poll by poll, through the collector like any cloud."""

from __future__ import annotations

import json
import lzma
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import OfferPage

SAME_POLL = timedelta(minutes=10)
"""Records of different GPUs that close together belong to one poll of the recorder."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What the market listed at one instant."""

    at: datetime
    offers: tuple[Offer, ...]


def read_market(folder: Path) -> Sequence[Poll]:
    """All polls of a folder of ``*.jsonl.xz``, one file per GPU, in order of time.

    Raises:
        InvalidInputError: the folder holds none.
    """
    files = sorted(folder.glob("*.jsonl.xz"))
    if not files:
        raise InvalidInputError("replay", str(folder), "holds no *.jsonl.xz", "Name a folder of recorded GPU market snapshots.")
    records = sorted((record for file in files for record in _records(file)), key=lambda record: record["timestamp"])
    polls: dict[datetime, dict[str, Offer]] = {}
    at = datetime.min.replace(tzinfo=UTC)
    for record in records:
        seen_at = datetime.fromisoformat(record["timestamp"])
        if seen_at - at >= SAME_POLL:
            at = seen_at
        polls.setdefault(at, {}).update((offer.id, offer) for offer in _offers(record, seen_at))
    return [Poll(instant, tuple(offers.values())) for instant, offers in polls.items()]


def _records(file: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _offers(record: Mapping[str, Any], at: datetime) -> Iterator[Offer]:
    """One offer per marketplace: its cheapest GPU, and how many listings it has."""
    card = accelerator_key(record["gpu_type"].replace("_", "-"), form=_form(record["socket_type"]))
    for provider, listed in record["by_provider"].items():
        yield Offer(
            instance_type=instance_type(provider, f"1x-{card}", accelerator=card, count=1, vcpus=0, memory_gib=0),
            region="market",
            zone="market",
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price_micro_usd(listed["min"]),
            availability=Availability.of_count(int(listed["count"])),
            observed_at=at,
            source_kind=SourceKind.LIVE,
            source="recorded GPU market",
        )


def _form(socket: str | None) -> str:
    return {"SXM": "SXM", "PCI": "PCIe"}.get((socket or "SXM")[:3].upper(), "")


class MarketReplay:
    """An ``OfferSource`` and its clock, moved on by hand."""

    def __init__(self, polls: Sequence[Poll]) -> None:
        self._polls, self._next = polls, 0

    def advance(self) -> bool:
        """Go to the next poll; False at the end."""
        self._next += 1
        return self._next <= len(self._polls)

    def clock(self) -> datetime:
        """The instant of the present poll."""
        return self._polls[self._next - 1].at

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """What was listed then."""
        yield OfferPage("market", self._polls[self._next - 1].offers, complete=True)

    def rows_by_poll(self) -> Iterator[tuple[datetime, Sequence[Offer]]]:
        """Everything, for a peer that keeps everything."""
        return ((poll.at, poll.offers) for poll in self._polls)
