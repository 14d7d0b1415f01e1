"""An ``Offer`` as a row of the table, and back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Row

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


def offer_of(row: Row[*tuple[Any, ...]]) -> Offer:
    """The offer of a row that has ``COLUMNS``."""
    return Offer(
        instance_type=_instance_type(
            row.provider, row.instance_type, row.accelerator, row.accelerator_count, row.vcpus, row.memory_gib, row.quota_family
        ),
        region=row.region,
        zone=row.zone,
        capacity_type=CapacityType(row.capacity_type),
        price_micro_usd_per_h=row.price_micro_usd_per_h,
        availability=availability_value(row.availability),
        observed_at=row.observed_at,
        source_kind=SourceKind(row.source_kind),
        source=row.source,
        account=row.account,
        jurisdiction=row.jurisdiction,
        interruptions_per_h=row.interruptions_per_h,
        notice_s=row.notice_s,
        launch_s=row.launch_s,
        currency_note=row.currency_note,
    )


# one instance type is sold in many zones: share the object
_instance_type = lru_cache(maxsize=20_000)(InstanceType)
