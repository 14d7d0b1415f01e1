"""AWS's answers as domain values. Pure: dictionaries in, offers and quarantined rows out; field names are AWS's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd, quarantined
from providers.pricelist import ListPrice
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, Quota, QuotaUnit, Reservation, SourceKind
from scheduler.domain.ports import Quarantined

PROVIDER = "aws"
NOTICE_S = 120
LINUX = "Linux/UNIX"

QUOTA_CODES: dict[str, tuple[tuple[str, ...], CapacityType]] = {
    # Service Quotas code of service ec2: families it covers, kind of purchase. See FACTS.md.
    "L-DB2E81BA": (("G",), CapacityType.ON_DEMAND),
    "L-3819A6DF": (("G",), CapacityType.SPOT),
    "L-417A185B": (("P", "P5"), CapacityType.ON_DEMAND),
    "L-7212CCBC": (("P",), CapacityType.SPOT),
    "L-C4BD4855": (("P5",), CapacityType.SPOT),
    "L-1945791B": (("INF",), CapacityType.ON_DEMAND),
    "L-B5D1601B": (("INF",), CapacityType.SPOT),
    "L-2C3B7624": (("TRN",), CapacityType.ON_DEMAND),
    "L-6B0D517C": (("TRN",), CapacityType.SPOT),
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one poll has in common."""

    account: str
    region: str
    now: datetime


def instance_types(rows: Iterable[Mapping[str, Any]], region: str) -> tuple[dict[str, InstanceType], list[Quarantined]]:
    """Types with accelerators, from ``DescribeInstanceTypes``; types without are skipped."""
    types: dict[str, InstanceType] = {}
    bad: list[Quarantined] = []
    for row in rows:
        name = str(row.get("InstanceType", ""))
        devices = row.get("GpuInfo", {}).get("Gpus") or row.get("NeuronInfo", {}).get("NeuronDevices") or []
        if not devices:
            continue
        try:
            types[name] = _instance_type(name, row, devices)
        except (ValueError, KeyError, TypeError) as error:
            bad.append(quarantined(region, name or "?", error, devices))
    return types, bad


def _instance_type(name: str, row: Mapping[str, Any], devices: Sequence[Mapping[str, Any]]) -> InstanceType:
    if len({device["Name"] for device in devices}) != 1:
        raise ValueError("mixed accelerators in one instance")
    device = devices[0]
    # Among GPUs, the P families carry modules, all others cards; Amazon's own chips come in one form.
    form = "" if "GpuInfo" not in row else "SXM" if name.startswith("p") else "PCIe"
    memory = round(device.get("MemoryInfo", {}).get("SizeInMiB", 0) / 1024) or None
    return instance_type(
        PROVIDER,
        name,
        accelerator=accelerator_key(device["Name"], memory_gib=memory, form=form),
        count=sum(int(each["Count"]) for each in devices),
        vcpus=row["VCpuInfo"]["DefaultVCpus"],
        memory_gib=row["MemoryInfo"]["SizeInMiB"] / 1024,
        quota_family=quota_family(name),
    )


def quota_family(name: str) -> str:
    """The vCPU quota an instance type draws on; P5 and later have a spot quota of their own."""
    if name.startswith(("g", "vt")):
        return "G"
    if name.startswith("p"):
        generation = name[1:2]
        return "P5" if generation.isdigit() and int(generation) >= 5 else "P"
    return "INF" if name.startswith("inf") else "TRN" if name.startswith("trn") else ""


def on_demand_prices(price_list: Iterable[str], types: Mapping[str, InstanceType], region: str) -> tuple[dict[str, int], list[Quarantined]]:
    """Micro-USD per hour by instance type, from the JSON strings of ``pricing.GetProducts``; other types are skipped."""
    prices: dict[str, int] = {}
    bad: list[Quarantined] = []
    for text in price_list:
        name = "?"
        try:
            product = json.loads(text)
            attributes = product["product"]["attributes"]
            name = attributes["instanceType"]
            if name not in types:
                continue
            # Shared tenancy, no licence included, not the zero price of a reservation in use.
            if (attributes.get("tenancy"), attributes.get("preInstalledSw"), attributes.get("capacitystatus")) != ("Shared", "NA", "Used"):
                continue
            if attributes.get("operatingSystem") != "Linux" or attributes.get("marketoption", "OnDemand") != "OnDemand":
                continue
            (term,) = product["terms"]["OnDemand"].values()
            (dimension,) = term["priceDimensions"].values()
            if dimension["unit"] != "Hrs":
                raise ValueError(f"unit is {dimension['unit']!r}, not hours")
            prices[name] = price_micro_usd(dimension["pricePerUnit"]["USD"], accelerators=types[name].accelerator_count)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            bad.append(quarantined(region, f"on-demand {name}", f"{type(error).__name__}: {error}", text))
    return prices, bad


def listed_types(rows: Iterable[ListPrice]) -> dict[str, InstanceType]:
    """Types that a price list in our own schema knows, with their quota."""
    kinds = {row.instance_type.name: row.instance_type for row in rows if row.instance_type.provider == PROVIDER}
    return {name: replace(kind, quota_family=quota_family(name)) for name, kind in kinds.items()}


def unknown_types(region: str, names: Iterable[str]) -> list[Quarantined]:
    """Types that have a price and whose accelerator nobody told."""
    return [quarantined(region, name, "which accelerator it has is not in the bundled price list") for name in sorted(names)]


def on_demand_offers(
    stamp: Stamp, types: Mapping[str, InstanceType], prices: Mapping[str, int], zones: Iterable[tuple[str, str]]
) -> list[Offer]:
    """Offers for every (type, zone) of ``DescribeInstanceTypeOfferings`` with a known price; no price, no offer."""
    return [
        _offer(stamp, types[name], zone, CapacityType.ON_DEMAND, prices[name])
        for name, zone in sorted(set(zones))
        if name in types and name in prices
    ]


def spot_offers(
    stamp: Stamp, types: Mapping[str, InstanceType], history: Iterable[Mapping[str, Any]]
) -> tuple[list[Offer], list[Quarantined]]:
    """Offers from ``DescribeSpotPriceHistory``: the newest Linux price of each type and zone."""
    newest: dict[tuple[str, str], Mapping[str, Any]] = {}
    bad: list[Quarantined] = []
    for row in history:
        try:
            key = (row["InstanceType"], row["AvailabilityZone"])
            if row["ProductDescription"] == LINUX and key[0] in types and (
                key not in newest or row["Timestamp"] > newest[key]["Timestamp"]
            ):  # fmt: skip
                newest[key] = row
        except (KeyError, TypeError) as error:
            bad.append(quarantined(stamp.region, "spot price", f"{type(error).__name__}: {error}", row))
    offers: list[Offer] = []
    for (name, zone), row in sorted(newest.items()):
        try:
            price = price_micro_usd(row.get("SpotPrice"), accelerators=types[name].accelerator_count)
            offers.append(_offer(stamp, types[name], zone, CapacityType.SPOT, price))
        except ValueError as error:
            bad.append(quarantined(stamp.region, f"spot {name} {zone}", error, row))
    return offers, bad


def _offer(stamp: Stamp, kind: InstanceType, zone: str, capacity: CapacityType, price: int) -> Offer:
    spot = capacity is CapacityType.SPOT
    return Offer(
        instance_type=kind,
        region=stamp.region,
        zone=zone,
        capacity_type=capacity,
        price_micro_usd_per_h=price,
        availability=Availability(),
        observed_at=stamp.now,
        source_kind=SourceKind.LIVE,
        source="EC2 spot price history" if spot else "AWS price list",
        account=stamp.account,
        jurisdiction=jurisdiction_of(PROVIDER, stamp.region),
        notice_s=NOTICE_S if spot else 0,
    )


def quotas(stamp: Stamp, rows: Iterable[Mapping[str, Any]]) -> tuple[Quota, ...]:
    """vCPU limits from ``ListServiceQuotas``; codes we do not use are skipped."""
    found: list[Quota] = []
    for row in rows:
        families, capacity = QUOTA_CODES.get(str(row.get("QuotaCode", "")), ((), CapacityType.ON_DEMAND))
        found += [
            Quota(
                PROVIDER, stamp.account, stamp.region, family, QuotaUnit.VCPU, int(row["Value"]), (capacity,), stamp.now
            )
            for family in families
        ]  # fmt: skip
    return tuple(found)


def reservations(stamp: Stamp, rows: Iterable[Mapping[str, Any]], prices: Mapping[str, int]) -> tuple[Reservation, ...]:
    """Active capacity reservations and blocks. ``prices``: on-demand by type, what an unused one costs all the same."""
    return tuple(
        Reservation(
            id=row["CapacityReservationId"],
            provider=PROVIDER,
            account=stamp.account,
            region=stamp.region,
            zone=row["AvailabilityZone"],
            instance_type=row["InstanceType"],
            count=int(row["TotalInstanceCount"]),
            sunk_micro_usd_per_h=prices.get(row["InstanceType"], 0),
            observed_at=stamp.now,
            starts_at=row.get("StartDate"),
            ends_at=row.get("EndDate"),
        )
        for row in rows
        if row.get("State") in ("active", "scheduled")
    )
