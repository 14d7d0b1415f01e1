"""Lambda's answers as offers and nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.lambdalabs.errors import PROVIDER
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

ENDED = ("terminated", "terminating", "preempted")
_DESCRIPTION = re.compile(r"^(?P<name>[^(]+?)\s*(?:\((?P<memory>\d+)\s*GB\s*(?P<form>\w*)\))?$")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one reading shares."""

    account: str
    now: datetime


def regions_with_stock(row: Mapping[str, Any]) -> set[str]:
    """Regions that can launch this type now. Raises ValueError where the vendor sent no list."""
    listed = row["regions_with_capacity_available"]
    if not isinstance(listed, list):
        raise ValueError("regions_with_capacity_available is not a list")
    return {str(region["name"]) for region in listed}


def offers(stamp: Stamp, row: Mapping[str, Any], regions: Iterable[str]) -> list[Offer]:
    """One instance type in every region; it is sold out where it is not listed. Raises what a wrong shape raises."""
    told = row["instance_type"]
    count = told["specs"]["gpus"]
    kind = instance_type(
        PROVIDER,
        told["name"],
        accelerator=card(str(told["gpu_description"])),
        count=count,
        vcpus=told["specs"]["vcpus"],
        memory_gib=told["specs"]["memory_gib"],
    )
    price = price_micro_usd(told["price_cents_per_hour"] / 100, accelerators=kind.accelerator_count)
    stocked = regions_with_stock(row)
    return [
        Offer(
            instance_type=kind,
            region=region,
            zone=region,
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price,
            availability=Availability.of_boolean(region in stocked),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source="lambda instance-types",
            account=stamp.account,
            jurisdiction=jurisdiction_of(PROVIDER, region),
            launch_s=300,
        )
        for region in sorted({*regions, *stocked})
    ]


def card(description: str) -> str:
    """The catalogue key of ``H100 (80 GB SXM5)``. Raises ValueError."""
    fits = _DESCRIPTION.match(description.strip())
    if fits is None:
        raise ValueError(f"unknown accelerator {description!r}")
    form = {"SXM": "SXM", "PCI": "PCIe", "NVL": "NVL"}.get((fits["form"] or "")[:3].upper(), "")
    return accelerator_key(fits["name"], memory_gib=int(fits["memory"]) if fits["memory"] else None, form=form)


def node(row: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it; its name is the launch token."""
    region, state = str(row["region"]["name"]), str(row["status"])
    address = str(row.get("private_ip") or row.get("ip") or "")
    return CloudNode(str(row["id"]), str(row.get("name") or ""), state not in ENDED, region, region, address, state)
