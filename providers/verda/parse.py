"""Verda's answers as offers and nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from providers.verda.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

ENDED = ("discontinued", "deleting", "notfound", "no_capacity")
NO_CAPACITY = "no_capacity"
PRICES = {CapacityType.ON_DEMAND: "price_per_hour", CapacityType.SPOT: "spot_price"}
_DESCRIPTION = re.compile(r"^\d+x\s+(?P<name>.+)$")


@dataclass(frozen=True, slots=True)
class Shop:
    """What every offer of one reading shares.

    Attributes:
        countries: ISO 3166 codes by location. stocked: what can launch now, as (capacity, location, instance type).
    """

    account: str
    now: datetime
    countries: Mapping[str, str]
    stocked: frozenset[tuple[CapacityType, str, str]]


def countries(locations: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Country codes by location; our own table where Verda tells none."""
    return {str(row["code"]): str(row.get("country_code") or jurisdiction_of(PROVIDER, row["code"])) for row in locations}


def stocked(capacity: CapacityType, listed: Sequence[Mapping[str, Any]]) -> set[tuple[CapacityType, str, str]]:
    """What an availability answer says: a type that is not listed at a location has no stock there."""
    return {(capacity, str(row["location_code"]), str(name)) for row in listed for name in row["availabilities"]}


def offers(shop: Shop, row: Mapping[str, Any]) -> list[Offer]:
    """One instance type in every location, on demand and spot; none for a type without GPUs. Raises what a wrong shape raises."""
    count = row["gpu"]["number_of_gpus"]
    if not count:
        return []
    if str(row["currency"]).lower() != "usd":
        raise ValueError(f"priced in {row['currency']}, asked for USD")
    kind = instance_type(
        PROVIDER,
        row["instance_type"],
        accelerator=card(row["gpu"]["description"], row["gpu_memory"]["size_in_gigabytes"] / count),
        count=count,
        vcpus=row["cpu"]["number_of_cores"],
        memory_gib=row["memory"]["size_in_gigabytes"],
    )
    prices = {capacity: price_micro_usd(row[field], accelerators=count) for capacity, field in PRICES.items()}
    return [
        Offer(
            instance_type=kind,
            region=place,
            zone=place,
            capacity_type=capacity,
            price_micro_usd_per_h=price,
            availability=Availability.of_boolean((capacity, place, kind.name) in shop.stocked),
            observed_at=shop.now,
            source_kind=SourceKind.LIVE,
            source="verda instance-types",
            account=shop.account,
            jurisdiction=country,
            launch_s=300,
        )
        for place, country in shop.countries.items()
        for capacity, price in prices.items()
    ]


def card(description: str, memory_gb: float) -> str:
    """The catalogue key of ``8x H100 SXM5 80GB``. Raises ValueError."""
    fits = _DESCRIPTION.match(description.strip())
    if fits is None:
        raise ValueError(f"unknown accelerator {description!r}")
    return accelerator_key(fits["name"], memory_gib=round(memory_gb))


def node(row: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it; its description is the launch token."""
    place, state = str(row["location"]), str(row["status"])
    return CloudNode(str(row["id"]), str(row.get("description") or ""), state not in ENDED, place, place, str(row.get("ip") or ""), state)
