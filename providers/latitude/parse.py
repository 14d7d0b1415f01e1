"""Latitude.sh's answers as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.latitude.errors import PROVIDER
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind, StockBucket
from scheduler.domain.ports import CloudNode

Row = Mapping[str, Any]

BUCKETS = {"unavailable": StockBucket.NONE, "low": StockBucket.LOW, "medium": StockBucket.MEDIUM, "high": StockBucket.HIGH}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one reading shares."""

    account: str
    now: datetime


def by_region(plans: Iterable[Row]) -> list[tuple[Row, Row]]:
    """GPU plans with each region they are sold in; each pair has a price of its own and is judged alone."""
    pairs: list[tuple[Row, Row]] = []
    for plan in plans:
        gpu = plan["attributes"]["specs"].get("gpu") or {}
        if gpu.get("count"):
            pairs += [(plan, region) for region in plan["attributes"]["regions"]]
    return pairs


def name(pair: tuple[Row, Row]) -> str:
    """What a pair calls itself."""
    plan, region = pair
    return f"{plan['attributes']['slug']} in {region['name']}"


def offers(stamp: Stamp, pair: tuple[Row, Row]) -> list[Offer]:
    """One plan at every site of one region. Raises what a wrong shape raises."""
    plan, region = pair
    kind = shape(plan["attributes"])
    price = price_micro_usd(region["pricing"]["USD"]["hour"], accelerators=kind.accelerator_count)
    return [
        Offer(
            instance_type=kind,
            region=site,
            zone=site,
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price,
            availability=stock(region, site),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source="latitude plans",
            account=stamp.account,
            jurisdiction=jurisdiction_of(PROVIDER, site),
            launch_s=600,
        )
        for site in region["locations"]["available"]
    ]


def shape(attributes: Row) -> InstanceType:
    """A plan's machine. Cores are physical ones."""
    specs = attributes["specs"]
    cpu, gpu = specs["cpu"], specs["gpu"]
    return instance_type(
        PROVIDER,
        attributes["slug"],
        accelerator=card(str(gpu["type"]), gpu.get("vram_per_gpu"), str(gpu.get("interconnect") or "")),
        count=gpu["count"],
        vcpus=cpu["cores"] * cpu.get("count", 1),
        memory_gib=specs["memory"]["total"],
    )


def card(named: str, memory_gb: object, interconnect: str) -> str:
    """The catalogue key. GPUs that are linked by NVLink are modules, others cards; where there is one of a name it does not matter."""
    form = {"NVLINK": "SXM", "PCIE": "PCIe"}.get(interconnect.upper(), "")
    return accelerator_key(named, memory_gib=int(float(str(memory_gb))) if memory_gb else None, form=form)


def stock(region: Row, site: str) -> Availability:
    """The most exact that is told: a count, else yes or no, else a level of the region."""
    counts, listed = region["locations"].get("in_stock_count"), region["locations"].get("in_stock")
    if isinstance(counts, Mapping):
        # Only sites with stock are listed.
        return Availability.of_count(int(counts.get(site, 0)))
    if isinstance(listed, list):
        return Availability.of_boolean(site in listed)
    bucket = BUCKETS.get(str(region.get("stock_level")))
    return Availability() if bucket is None else Availability.of_bucket(bucket)


def node(row: Row) -> CloudNode:
    """A server as the port describes it; its hostname is the launch token. One whose deployment failed is there, and has to be released."""
    told = row["attributes"]
    site = str((told.get("region") or {}).get("site", {}).get("slug") or told.get("site") or "")
    return CloudNode(
        str(row["id"]),
        str(told.get("hostname") or ""),
        True,
        site,
        site,
        str(told.get("primary_ipv4") or ""),
        str(told.get("status") or ""),
    )
