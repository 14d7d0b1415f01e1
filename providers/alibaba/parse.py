"""Alibaba's answers as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from providers.alibaba.errors import PROVIDER
from providers.currency import Rate
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind, StockBucket
from scheduler.domain.ports import CloudNode

TAG = "headrace-launch"
STRATEGIES = {CapacityType.ON_DEMAND: "NoSpot", CapacityType.SPOT: "SpotAsPriceGo"}
STOCK = {"WithStock": StockBucket.HIGH, "ClosedWithStock": StockBucket.LOW, "WithoutStock": StockBucket.NONE}
_V100 = {"ecs.gn6v": 16, "ecs.gn6e": 32, "ecs.ebmgn6v": 16, "ecs.ebmgn6e": 32}
"""Memory of one V100, all of them SXM2; the vendor's page tells it, no call does."""


class Money(NamedTuple):
    """An hourly price as Alibaba tells it. ``amount`` is None where it tells none."""

    amount: object
    currency: str


class Sold(NamedTuple):
    """One instance type that a zone sells in one way. ``told`` is Alibaba's row about its stock."""

    capacity: CapacityType
    zone: str
    name: str
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the offers of one region share.

    Attributes:
        types: rows of instance types with GPUs by name. prices: by way, zone and name; on-demand prices have the zone "".
    """

    account: str
    region: str
    now: datetime
    yuan: Rate
    types: Mapping[str, Mapping[str, Any]]
    prices: Mapping[tuple[CapacityType, str, str], Money]


def sold(capacity: CapacityType, zones: Iterable[Mapping[str, Any]], types: Mapping[str, Any]) -> Iterator[Sold]:
    """What zones sell of the given types. Raises what a wrong shape raises; a zone without resources sells nothing."""
    for zone in zones:
        for resource in (zone.get("AvailableResources") or {}).get("AvailableResource", []):
            for told in resource["SupportedResources"]["SupportedResource"]:
                if resource["Type"] == "InstanceType" and told["Value"] in types:
                    yield Sold(capacity, str(zone["ZoneId"]), str(told["Value"]), told)


def on_demand_price(price: Mapping[str, Any]) -> Money:
    """What the instance alone costs this account for an hour, without its disk. Raises what a wrong shape raises."""
    parts = {part["Resource"]: part.get("TradePrice") for part in price["DetailInfos"]["DetailInfo"]}
    return Money(parts.get("instanceType"), str(price["Currency"]))


def spot_prices(currency: str, history: Iterable[Mapping[str, Any]]) -> dict[str, Money]:
    """The latest price of each zone. Raises what a wrong shape raises."""
    return {str(row["ZoneId"]): Money(row["SpotPrice"], currency) for row in sorted(history, key=lambda row: str(row["Timestamp"]))}


def offers(reading: Reading, row: Sold) -> list[Offer]:
    """One instance type in one zone, sold in one way. Raises what a wrong shape raises."""
    kind = shape(reading.types[row.name])
    spot = row.capacity is CapacityType.SPOT
    money = reading.prices.get((row.capacity, row.zone if spot else "", row.name))
    if money is None:
        raise ValueError(f"no {row.capacity.value} price told")
    foreign = _foreign(money, reading.yuan)
    return [
        Offer(
            instance_type=kind,
            region=reading.region,
            zone=row.zone,
            capacity_type=row.capacity,
            price_micro_usd_per_h=price_micro_usd(
                foreign.convert(money.amount) if foreign else money.amount, accelerators=kind.accelerator_count
            ),
            availability=availability(row.told),
            observed_at=reading.now,
            source_kind=SourceKind.LIVE,
            source=f"alibaba {'DescribeSpotPriceHistory' if spot else 'DescribePrice'}",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, reading.region),
            launch_s=240,
            currency_note=foreign.note if foreign else "",
        )
    ]


def shape(row: Mapping[str, Any]) -> InstanceType:
    """A row of instance types. Raises ValueError where its GPU cannot be told."""
    memory = _V100.get(str(row.get("InstanceTypeFamily")))
    return instance_type(
        PROVIDER,
        str(row["InstanceTypeId"]),
        accelerator=accelerator_key(str(row["GPUSpec"]), memory_gib=memory, form="SXM" if memory else ""),
        count=row["GPUAmount"],
        vcpus=row["CpuCoreCount"],
        memory_gib=row["MemorySize"],
    )


def _foreign(money: Money, yuan: Rate) -> Rate | None:
    if money.currency not in ("USD", "CNY"):
        raise ValueError(f"a price in {money.currency or 'an untold currency'}")
    return yuan if money.currency == "CNY" else None


def availability(told: Mapping[str, Any]) -> Availability:
    """The stock in Alibaba's three words; yes or no where there is none of them."""
    word, status = told.get("StatusCategory"), told.get("Status")
    if word in STOCK:
        return Availability.of_bucket(STOCK[word])
    return Availability.of_boolean(status == "Available") if status in ("Available", "SoldOut") else Availability()


def node(region: str, row: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it; a tag holds its launch token. One that is stopped is ours until it is deleted."""
    tags = {tag["TagKey"]: str(tag["TagValue"]) for tag in (row.get("Tags") or {}).get("Tag", [])}
    addresses = row["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] or [""]
    return CloudNode(str(row["InstanceId"]), tags.get(TAG, ""), True, region, str(row["ZoneId"]), str(addresses[0]), str(row["Status"]))
