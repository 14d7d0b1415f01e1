"""An ``Offer`` as a row of the table, and back."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Any

from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind
from scheduler.store.codec import availability_code, availability_value

COLUMNS = (
    "offer_id",
    "provider",
    "account",
    "region",
    "zone",
    "instance_type",
    "accelerator",
    "accelerator_count",
    "vcpus",
    "memory_gib",
    "quota_family",
    "capacity_type",
    "price_micro_usd_per_h",
    "availability",
    "observed_at",
    "source_kind",
    "source",
    "jurisdiction",
    "interruptions_per_h",
    "notice_s",
    "launch_s",
    "currency_note",
)
"""Columns that an offer fills, in the order in which ``row_of`` gives them."""

OWN = ("zone", "price_micro_usd_per_h", "availability", "observed_at", "shape")
"""What an offer does not share with others of its shape, and the shape's number."""

SHARED = (*(name for name in COLUMNS if name not in (*OWN, "offer_id")), "feed")
"""What offers of one shape have in common."""

EVIDENCE = ("price_micro_usd_per_h", "availability")
"""Columns whose changes are history."""

ATTRIBUTES = tuple(name for name in COLUMNS if name not in (*EVIDENCE, "offer_id", "observed_at"))
"""Columns that describe the offer itself."""


def row_of(offer: Offer) -> tuple[Any, ...]:
    """The values of ``COLUMNS``."""
    kind = offer.instance_type
    return (
        offer.id,
        kind.provider,
        offer.account,
        offer.region,
        offer.zone,
        kind.name,
        kind.accelerator,
        kind.accelerator_count,
        kind.vcpus,
        kind.memory_gib,
        kind.quota_family,
        offer.capacity_type.value,
        offer.price_micro_usd_per_h,
        availability_code(offer.availability),
        offer.observed_at,
        offer.source_kind.value,
        offer.source,
        offer.jurisdiction,
        offer.interruptions_per_h,
        offer.notice_s,
        offer.launch_s,
        offer.currency_note,
    )


def shape_of(row: Sequence[Any]) -> Offer:
    """What offers of one shape have in common, from the values of ``SHARED``, as an offer without zone, price, stock and time."""
    (provider, account, region, kind, accelerator, accelerators, vcpus, memory_gib, quota_family, capacity_type, source_kind, source,
     jurisdiction, interruptions_per_h, notice_s, launch_s, currency_note, feed) = row  # fmt: skip
    return Offer(
        _instance_type(provider, kind, accelerator, accelerators, vcpus, memory_gib, quota_family),
        region,
        "",
        _CAPACITY[capacity_type],
        0,
        _UNKNOWN,
        _NEVER,
        _SOURCES[source_kind],
        source,
        account,
        jurisdiction,
        interruptions_per_h,
        notice_s,
        launch_s,
        currency_note,
        _broker(feed, provider, source_kind),
    )


def offers_of(rows: Sequence[Sequence[Any]], shapes: Mapping[int, Offer]) -> list[Offer]:
    """Offers from rows of ``OWN``.

    There may be a hundred thousand of them. A frozen dataclass sets its fields one by one in Python, which takes three times as long as
    all the rest; its slots are filled here field by field for all offers, in loops that run in C.
    """
    with uncollected():
        own = {name: map(itemgetter(place), rows) for place, name in enumerate(OWN)}
        like = [shapes[number] for number in own.pop("shape")]
        own["availability"] = map(_availability, own["availability"])
        made = list(map(Offer.__new__, repeat(Offer, len(rows))))
        for name, fill in _SLOTS.items():
            deque(map(fill, made, own[name] if name in own else map(attrgetter(name), like)), maxlen=0)
    return made


@contextmanager
def uncollected() -> Iterator[None]:
    """While very many objects are made that are all kept: looking for garbage among them takes longer than making them."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _broker(feed: str, provider: str, source_kind: str) -> str:
    """The feed where it sells what others run; a price list sells nothing."""
    return "" if feed == provider or source_kind == SourceKind.SNAPSHOT else feed


# one instance type is sold in many zones: share the object
_instance_type = lru_cache(maxsize=20_000)(InstanceType)
_availability = lru_cache(maxsize=1_000)(availability_value)
_CAPACITY = {kind.value: kind for kind in CapacityType}
_SOURCES = {kind.value: kind for kind in SourceKind}
_SLOTS: dict[str, Callable[[Offer, Any], None]] = {each.name: getattr(Offer, each.name).__set__ for each in fields(Offer)}
_UNKNOWN = Availability()
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
