"""Reads price lists in headrace's own CSV schema, and knows where the bundled one lies.

Shared by the snapshot provider, which publishes it, and by the simulated clouds, which start from it. It knows nothing
of availability: a list price says what a thing costs, never that it can be had.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from providers.normalise import instance_type, price_micro_usd, quarantined
from scheduler.domain.accelerator import accelerator
from scheduler.domain.errors import UnknownAcceleratorError
from scheduler.domain.offer import CapacityType, InstanceType
from scheduler.domain.ports import Quarantined

COLUMNS = (
    "provider", "region", "zone", "jurisdiction", "instance_type", "accelerator", "accelerator_count", "vcpus", "memory_gib",
    "capacity_type", "usd_per_h", "as_of", "source",
)  # fmt: skip
BUNDLED = Path(__file__).parent / "snapshot" / "offers.csv"


@dataclass(frozen=True, slots=True)
class ListPrice:
    """One row: what one instance type costs in one zone under one capacity type.

    Attributes:
        zone: the region's name where the cloud sells by region.
        as_of: the day the price was seen; source: where.
    """

    instance_type: InstanceType
    region: str
    zone: str
    jurisdiction: str
    capacity_type: CapacityType
    micro_usd_per_h: int
    as_of: date
    source: str


@dataclass(frozen=True, slots=True)
class PriceList:
    """A price list and the rows of it that could not be trusted."""

    rows: tuple[ListPrice, ...]
    quarantined: tuple[Quarantined, ...]


def read_price_list(lines: Iterable[str]) -> PriceList:
    """Parse CSV lines with the header ``COLUMNS``. A bad row is quarantined, never fatal.

    Raises:
        ValueError: the header is not that of a price list.
    """
    reader = csv.DictReader(lines)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"not a price list: columns {', '.join(missing)} are missing")
    rows: list[ListPrice] = []
    bad: list[Quarantined] = []
    for number, row in enumerate(reader, start=2):
        try:
            rows.append(_row(row))
        except (ValueError, UnknownAcceleratorError) as error:
            bad.append(quarantined(row.get("region") or "", f"line {number}", error, row))
    return PriceList(tuple(rows), tuple(bad))


@cache
def bundled_price_list() -> PriceList:
    """The price list that ships with headrace."""
    with BUNDLED.open(encoding="utf-8", newline="") as lines:
        return read_price_list(lines)


def _row(row: dict[str, str]) -> ListPrice:
    kind = instance_type(
        row["provider"],
        row["instance_type"],
        accelerator=accelerator(row["accelerator"]).key,
        count=row["accelerator_count"],
        vcpus=row["vcpus"],
        memory_gib=row["memory_gib"],
    )
    return ListPrice(
        kind,
        row["region"],
        row["zone"] or row["region"],
        row["jurisdiction"],
        CapacityType(row["capacity_type"]),
        price_micro_usd(row["usd_per_h"], accelerators=kind.accelerator_count),
        date.fromisoformat(row["as_of"]),
        row["source"],
    )
