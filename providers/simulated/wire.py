"""The JSON form of offers, quotas and machines between a market process and its clients: one place for both directions.

Plain dictionaries and the standard library, so that the market process starts fast and stays small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from providers.normalise import instance_type
from scheduler.domain.accelerator import accelerator
from scheduler.domain.offer import Availability, CapacityType, Offer, Quota, QuotaUnit, SourceKind
from scheduler.domain.ports import CloudNode

Json = dict[str, Any]


def offer_to_json(offer: Offer) -> Json:
    """An offer with its id; the price in integer micro-USD, so that nothing is rounded on the way."""
    kind = offer.instance_type
    return {
        "id": offer.id,
        "provider": kind.provider,
        "region": offer.region,
        "zone": offer.zone,
        "jurisdiction": offer.jurisdiction,
        "instance_type": kind.name,
        "accelerator": kind.accelerator,
        "accelerator_count": kind.accelerator_count,
        "vcpus": kind.vcpus,
        "memory_gib": kind.memory_gib,
        "quota_family": kind.quota_family,
        "capacity_type": offer.capacity_type.value,
        "price_micro_usd_per_h": offer.price_micro_usd_per_h,
        "stock": offer.availability.count,
        "interruptions_per_h": offer.interruptions_per_h,
        "notice_s": offer.notice_s,
        "launch_s": offer.launch_s,
        "observed_at": offer.observed_at.isoformat(),
        "source": offer.source,
    }


def offer_from_json(row: Mapping[str, Any], *, provider: str, account: str) -> Offer:
    """An offer as the adapter's account sees it.

    Raises:
        ValueError: a field is missing or impossible; the message names it.
        UnknownAcceleratorError: the accelerator is not in the catalogue.
    """
    try:
        price, stock = row["price_micro_usd_per_h"], row["stock"]
        if not isinstance(price, int) or isinstance(price, bool) or price <= 0:
            raise ValueError(f"price_micro_usd_per_h is not a positive integer: {price!r}")
        if stock is not None and (not isinstance(stock, int) or stock < 0):
            raise ValueError(f"stock is not a count: {stock!r}")
        kind = instance_type(
            provider,
            row["instance_type"],
            accelerator=accelerator(row["accelerator"]).key,
            count=row["accelerator_count"],
            vcpus=row["vcpus"],
            memory_gib=row["memory_gib"],
            quota_family=row["quota_family"],
        )
        return Offer(
            instance_type=kind,
            region=row["region"],
            zone=row["zone"],
            capacity_type=CapacityType(row["capacity_type"]),
            price_micro_usd_per_h=price,
            availability=Availability() if stock is None else Availability.of_count(stock),
            observed_at=datetime.fromisoformat(row["observed_at"]),
            source_kind=SourceKind.SIMULATED,
            source=row["source"],
            account=account,
            jurisdiction=row["jurisdiction"],
            interruptions_per_h=row["interruptions_per_h"],
            notice_s=int(row["notice_s"]),
            launch_s=int(row["launch_s"]),
        )
    except KeyError as error:
        raise ValueError(f"field {error} is missing") from error
    except TypeError as error:
        raise ValueError(str(error)) from error


def quota_to_json(quota: Quota) -> Json:
    """A quota with its id."""
    row = asdict(quota)
    row["id"], row["observed_at"] = quota.id, quota.observed_at.isoformat()
    row["capacity_types"] = [kind.value for kind in quota.capacity_types]
    return row


def quota_from_json(row: Mapping[str, Any], *, provider: str, account: str) -> Quota:
    """A quota as the adapter's account sees it.

    Raises:
        ValueError: a field is missing or impossible.
    """
    try:
        return Quota(
            provider,
            account,
            row["region"],
            row["family"],
            QuotaUnit(row["unit"]),
            int(row["limit"]),
            tuple(CapacityType(kind) for kind in row["capacity_types"]),
            datetime.fromisoformat(row["observed_at"]),
            int(row["used"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a quota: {error}") from error


def node_from_json(row: Mapping[str, Any]) -> CloudNode:
    """A machine as the port describes it.

    Raises:
        ValueError: a field is missing.
    """
    try:
        return CloudNode(
            row["id"], row["launch_token"], bool(row["running"]), row["region"], row["zone"], row.get("address", ""), row.get("state", "")
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a machine: {error}") from error
