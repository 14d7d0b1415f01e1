"""Tencent's answers as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.currency import Rate
from providers.jurisdiction import jurisdiction_of
from providers.normalise import instance_type, price_micro_usd
from providers.tencent.cards import card
from providers.tencent.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind, StockBucket
from scheduler.domain.ports import CloudNode

TAG = "headrace-launch"
CHARGE_TYPES = {"POSTPAID_BY_HOUR": CapacityType.ON_DEMAND, "SPOTPAID": CapacityType.SPOT}
STOCK = {
    "EnoughStock": StockBucket.HIGH,
    "NormalStock": StockBucket.MEDIUM,
    "UnderStock": StockBucket.LOW,
    "WithoutStock": StockBucket.NONE,
}
ENDED = ("LAUNCH_FAILED", "SHUTDOWN", "TERMINATING")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the offers of one region share.

    Attributes:
        rate: of the currency in which this account's site tells prices; None for dollars.
    """

    account: str
    region: str
    now: datetime
    rate: Rate | None


def offers(reading: Reading, row: Mapping[str, Any]) -> list[Offer]:
    """One instance type in one zone under one way to pay; none where it has no GPU. Raises what a wrong shape raises."""
    count = row.get("GpuCount")
    count = row["Gpu"] if count is None else count
    if not count:
        return []
    kind = instance_type(
        PROVIDER,
        str(row["InstanceType"]),
        accelerator=card(str(row["InstanceFamily"])),
        count=count,
        vcpus=row["Cpu"],
        memory_gib=row["Memory"],
    )
    price = hourly(row["Price"])
    return [
        Offer(
            instance_type=kind,
            region=reading.region,
            zone=str(row["Zone"]),
            capacity_type=CHARGE_TYPES[row["InstanceChargeType"]],
            price_micro_usd_per_h=price_micro_usd(
                reading.rate.convert(price) if reading.rate else price, accelerators=kind.accelerator_count
            ),
            availability=availability(row),
            observed_at=reading.now,
            source_kind=SourceKind.LIVE,
            source="tencent DescribeZoneInstanceConfigInfos",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, reading.region),
            launch_s=240,
            currency_note=reading.rate.note if reading.rate else "",
        )
    ]


def hourly(price: Mapping[str, Any]) -> object:
    """What this account pays for an hour: the price after its discount, where the answer has one. Raises ValueError, KeyError."""
    if price["ChargeUnit"] != "HOUR":
        raise ValueError(f"a price per {price['ChargeUnit']}, not per hour")
    discounted = price.get("UnitPriceDiscount")
    return price["UnitPrice"] if discounted is None else discounted


def availability(row: Mapping[str, Any]) -> Availability:
    """The stock in Tencent's four words; whether it is sold at all where there is none of them."""
    status, word = row.get("Status"), row.get("StatusCategory")
    if status == "SOLD_OUT":
        return Availability.of_bucket(StockBucket.NONE)
    if word in STOCK:
        return Availability.of_bucket(STOCK[word])
    return Availability.of_boolean(True) if status == "SELL" else Availability()


def node(region: str, row: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it; a tag holds its launch token."""
    tags = {tag["Key"]: str(tag["Value"]) for tag in row.get("Tags") or []}
    addresses, state = row.get("PrivateIpAddresses") or [""], str(row["InstanceState"])
    zone = str(row["Placement"]["Zone"])
    return CloudNode(str(row["InstanceId"]), tags.get(TAG, ""), state not in ENDED, region, zone, str(addresses[0]), state)
