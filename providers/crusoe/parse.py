"""Crusoe's answers as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.crusoe.errors import PROVIDER
from providers.crusoe.prices import PRICES
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type
from scheduler.domain.offer import Availability, CapacityType, Offer
from scheduler.domain.ports import CloudNode

ENDED = ("STATE_DELETING", "STATE_DELETED", "STATE_ERROR", "STATE_CRASHED", "STATE_STOPPED", "STATE_SHUTOFF")
"""Crusoe bills a running machine only; ours are never stopped to be started again."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the offers of one reading share.

    Attributes:
        types: rows of machine types by product name. options: may declare prices.
    """

    account: str
    now: datetime
    types: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, str]


def quantity(row: Any) -> int:
    """How many machines a capacity row tells, -1 where it makes no sense. A type may have several rows in a location: the most counts."""
    told = row.get("quantity") if isinstance(row, Mapping) else None
    return told if isinstance(told, int) else -1


def offers(reading: Reading, row: Mapping[str, Any]) -> list[Offer]:
    """One machine type in one location; none where it has no GPU. Raises what a wrong shape raises."""
    name, location = str(row["type"]), str(row["location"])
    if name not in reading.types:
        raise ValueError(f"capacity of an unknown type {name!r}")
    told = reading.types[name]
    if not told["num_gpu"]:
        return []
    gpu = str(told["gpu_type"])
    kind = instance_type(
        PROVIDER, name, accelerator=accelerator_key(gpu), count=told["num_gpu"], vcpus=told["cpu_cores"], memory_gib=told["memory_gb"]
    )
    price, left = PRICES.price(reading.options, gpu), quantity(row)
    return [
        Offer(
            instance_type=kind,
            region=location,
            zone=location,
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price.micro_usd_of(kind.accelerator_count, accelerators=kind.accelerator_count),
            availability=Availability.of_count(left) if left >= 0 else Availability(),
            observed_at=reading.now,
            source_kind=price.kind,
            source=f"crusoe capacities; price {price.source}",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, location),
            launch_s=240,
        )
    ]


def node(row: Mapping[str, Any]) -> CloudNode:
    """A machine as the port describes it; its name is the launch token."""
    location, state = str(row["location"]), str(row["state"])
    return CloudNode(str(row["id"]), str(row.get("name") or ""), state not in ENDED, location, location, _address(row), state)


def _address(row: Mapping[str, Any]) -> str:
    for interface in row.get("network_interfaces") or ():
        for pair in interface.get("ips") or ():
            address = (pair.get("private_ipv4") or {}).get("address") or (pair.get("public_ipv4") or {}).get("address")
            if address:
                return str(address)
    return ""
