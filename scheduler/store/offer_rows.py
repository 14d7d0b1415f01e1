"""An ``Offer`` as a row of the table, and back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from scheduler.domain.offer import CapacityType, InstanceType, Offer, SourceKind
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


def offer_of(row: Sequence[Any]) -> Offer:
    """The offer of a row that has ``COLUMNS`` and then ``feed``, by position: there may be a hundred thousand of them."""
    (_, provider, account, region, zone, kind, accelerator, accelerators, vcpus, memory_gib, quota_family, capacity_type, price,
     availability, observed_at, source_kind, source, jurisdiction, interruptions_per_h, notice_s, launch_s, currency_note,
     feed) = row  # fmt: skip
    return Offer(
        _instance_type(provider, kind, accelerator, accelerators, vcpus, memory_gib, quota_family),
        region,
        zone,
        _CAPACITY[capacity_type],
        price,
        _availability(availability),
        observed_at,
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


def _broker(feed: str, provider: str, source_kind: str) -> str:
    """The feed where it sells what others run; a price list sells nothing."""
    return "" if feed == provider or source_kind == SourceKind.SNAPSHOT else feed


# one instance type is sold in many zones: share the object
_instance_type = lru_cache(maxsize=20_000)(InstanceType)
_availability = lru_cache(maxsize=1_000)(availability_value)
_CAPACITY = {kind.value: kind for kind in CapacityType}
_SOURCES = {kind.value: kind for kind in SourceKind}
