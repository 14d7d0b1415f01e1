"""Hyperstack's answers as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.hyperstack.errors import PROVIDER
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

ENDED = ("DELETING", "DELETED", "ERROR", "FAILED")
LABEL = "headrace"
SPOT = "-spot"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the offers of one reading share.

    Attributes:
        prices: USD per GPU and hour, as written, by GPU name.
        stock: machines that could be launched, by region, GPU name and GPUs per machine.
    """

    account: str
    now: datetime
    prices: Mapping[str, object]
    stock: Mapping[tuple[str, str, int], int]


def stock(groups: list[Any]) -> dict[tuple[str, str, int], int]:
    """Launchable machines by region, GPU name and GPUs per machine. A model that cannot be understood counts as not told."""
    found: dict[tuple[str, str, int], int] = {}
    for group in groups:
        for model in group.get("models") or ():
            for size, machines in (model.get("configurations") or {}).items():
                if isinstance(machines, int) and machines >= 0 and size.removesuffix("x").isdigit():
                    found[str(group["region"]), str(model["model"]), int(size.removesuffix("x"))] = machines
    return found


def prices(book: list[Any]) -> dict[str, object]:
    """The price book by resource name; it holds CPUs, disks and models beside GPUs."""
    return {str(entry["name"]): entry["value"] for entry in book}


def offers(reading: Reading, row: Mapping[str, Any]) -> list[Offer]:
    """One flavor in its region; none where it has no GPU. Raises what a wrong shape raises."""
    gpu, count = str(row.get("gpu") or ""), int(row.get("gpu_count") or 0)
    if not gpu or not count:
        return []
    region = str(row["region_name"])
    kind = instance_type(
        PROVIDER,
        str(row["name"]),
        accelerator=accelerator_key(gpu.removesuffix(SPOT)),
        count=count,
        vcpus=row["cpu"],
        memory_gib=row["ram"],
    )
    if gpu not in reading.prices:
        raise ValueError(f"the price book has no {gpu!r}")
    return [
        Offer(
            instance_type=kind,
            region=region,
            zone=region,
            capacity_type=CapacityType.SPOT if gpu.endswith(SPOT) else CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price_micro_usd(Decimal(str(reading.prices[gpu])) * count, accelerators=count),
            availability=_availability(reading, region, row),
            observed_at=reading.now,
            source_kind=SourceKind.LIVE,
            source="hyperstack flavors, stocks, pricebook",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, region),
            launch_s=300,
        )
    ]


def _availability(reading: Reading, region: str, row: Mapping[str, Any]) -> Availability:
    """Machines where the stocks count them, else the flavor's own yes or no."""
    machines = reading.stock.get((region, row["gpu"], row["gpu_count"]))
    if machines is not None:
        return Availability.of_count(machines)
    flag = row.get("stock_available")
    return Availability.of_boolean(flag) if isinstance(flag, bool) else Availability()


def node(row: Mapping[str, Any]) -> CloudNode:
    """A machine as the port describes it; its name is the launch token."""
    region, state = str(row["environment"]["region"]), str(row.get("status") or "")
    ours = LABEL in (row.get("labels") or ())
    address = str(row.get("fixed_ip") or row.get("floating_ip") or "")
    return CloudNode(str(row["id"]), str(row["name"]) if ours else "", state.upper() not in ENDED, region, region, address, state)
