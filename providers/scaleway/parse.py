"""Scaleway's answers as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.currency import Rate
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from providers.scaleway.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind, StockBucket
from scheduler.domain.ports import CloudNode

TAG = "headrace"
TOKEN_TAG = "headrace-launch="  # noqa: S105 - the beginning of a tag
GIB = 2**30
STOCK = {"available": StockBucket.HIGH, "scarce": StockBucket.LOW, "shortage": StockBucket.NONE}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the offers of one zone share.

    Attributes:
        stock: Scaleway's word by instance type.
    """

    account: str
    zone: str
    now: datetime
    euro: Rate
    stock: Mapping[str, str]


def region_of(zone: str) -> str:
    """``fr-par`` of ``fr-par-2``."""
    return zone.rsplit("-", 1)[0]


def offers(reading: Reading, name: str, row: Mapping[str, Any]) -> list[Offer]:
    """One instance type in its zone; none where it has no GPU or is sold no more. Raises what a wrong shape raises."""
    if not row.get("gpu") or row.get("end_of_service"):
        return []
    card = row["gpu_info"]
    kind = instance_type(
        PROVIDER,
        name,
        accelerator=accelerator_key(str(card["gpu_name"]), memory_gib=round(card["gpu_memory"] / GIB)),
        count=row["gpu"],
        vcpus=row["ncpus"],
        memory_gib=row["ram"] / GIB,
    )
    region, word = region_of(reading.zone), reading.stock.get(name, "")
    return [
        Offer(
            instance_type=kind,
            region=region,
            zone=reading.zone,
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price_micro_usd(reading.euro.convert(row["hourly_price"]), accelerators=kind.accelerator_count),
            availability=Availability.of_bucket(STOCK[word]) if word in STOCK else Availability(),
            observed_at=reading.now,
            source_kind=SourceKind.LIVE,
            source="scaleway products/servers",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, region),
            launch_s=240,
            currency_note=reading.euro.note,
        )
    ]


def node(row: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it; a tag holds its launch token.

    One that is stopped keeps its volume and is paid for, and was not started yet or lost its power: it counts as running until deleted.
    """
    zone, state = str(row["zone"]), str(row["state"])
    token = next((tag.removeprefix(TOKEN_TAG) for tag in row.get("tags") or () if tag.startswith(TOKEN_TAG)), "")
    address = str(row.get("private_ip") or (row.get("public_ip") or {}).get("address") or "")
    return CloudNode(str(row["id"]), token, state != "stopping", region_of(zone), zone, address, state)
