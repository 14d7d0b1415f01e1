"""Voltage Park's answers as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from providers.voltagepark.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

TAG = "headrace"
LOCATION_TAG = "headrace-location="
ENDED = ("Terminated", "Outbid")


class Preset(NamedTuple):
    """A ready-made machine that a location sells."""

    location: str
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one reading shares."""

    account: str
    now: datetime


def presets(locations: Iterable[Mapping[str, Any]], operating_system: str) -> Iterator[Preset]:
    """Presets with GPUs of all locations, with that operating system unless it is "". Raises what a wrong shape raises."""
    for location in locations:
        for row in location["available_presets"]:
            if row["resources"]["gpus"] and operating_system in ("", row["operating_system"]):
                yield Preset(str(location["id"]), row)


def offers(stamp: Stamp, preset: Preset) -> list[Offer]:
    """One preset in its location. Raises what a wrong shape raises."""
    kind = shape(preset.row["resources"])
    left = preset.row["available_vms"]
    if not isinstance(left, int) or left < 0:
        raise ValueError(f"{left!r} machines left")
    return [
        Offer(
            instance_type=kind,
            region=preset.location,
            zone=preset.location,
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price_micro_usd(hourly(preset.row), accelerators=kind.accelerator_count),
            availability=Availability.of_count(left),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source="voltagepark instant locations",
            account=stamp.account,
            jurisdiction=jurisdiction_of(PROVIDER, preset.location),
            launch_s=240,
        )
    ]


def shape(resources: Mapping[str, Any]) -> InstanceType:
    """What a preset consists of; presets have no names, so their sizes make one. Raises ValueError where GPUs are mixed or unknown."""
    if len(resources["gpus"]) != 1:
        raise ValueError(f"{len(resources['gpus'])} kinds of GPUs in one machine")
    ((gpu, told),) = resources["gpus"].items()
    return instance_type(
        PROVIDER,
        f"{told['count']}x-{gpu}-{resources['vcpu_count']}vcpu-{resources['ram_gb']}gb",
        accelerator=accelerator_key(str(gpu).removeprefix("geforce")),
        count=told["count"],
        vcpus=resources["vcpu_count"],
        memory_gib=resources["ram_gb"],
    )


def hourly(preset: Mapping[str, Any]) -> Decimal:
    """What a running machine costs: its computing and its storage. Raises ValueError."""
    try:
        return Decimal(preset["compute_rate_hourly"]) + Decimal(preset["storage_rate_hourly"])
    except InvalidOperation:
        raise ValueError(f"price is not a number: {preset['compute_rate_hourly']!r}") from None


def node(row: Mapping[str, Any]) -> CloudNode:
    """A machine as the port describes it: its name is the launch token, a tag keeps its location. Raises what a wrong shape raises."""
    tags, state = row.get("tags") or [], str(row["status"])
    location = next((tag.removeprefix(LOCATION_TAG) for tag in tags if tag.startswith(LOCATION_TAG)), "")
    token = str(row["name"]) if TAG in tags else ""
    address = str(row.get("internal_ip") or row.get("public_ip") or "")
    return CloudNode(str(row["id"]), token, state not in ENDED, location, location, address, state)
