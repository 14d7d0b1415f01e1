"""RunPod's catalogue and pods as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from providers.runpod.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind, StockBucket
from scheduler.domain.ports import CloudNode

ENDED = ("EXITED", "TERMINATED")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one reading shares: ``count`` GPUs to a pod."""

    account: str
    now: datetime
    count: int


def offers(stamp: Stamp, row: Mapping[str, Any]) -> list[Offer]:
    """One GPU type, ``stamp.count`` of them, in every data center that has such machines. Raises what a wrong shape raises."""
    if not row["secure"] or row["maxCount"]["secure"] < stamp.count:
        return []
    places = row.get("dataCenters", [])
    kind = instance_type(
        PROVIDER,
        type_name(stamp.count, row["id"]),
        accelerator=card(row),
        count=stamp.count,
        vcpus=None,
        memory_gib=None,
    )
    price = price_micro_usd(Decimal(str(row["price"]["secure"])) * stamp.count, accelerators=stamp.count)
    return [
        Offer(
            instance_type=kind,
            region=place["id"],
            zone=place["id"],
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price,
            availability=Availability.of_bucket(StockBucket(str(place["availability"]).lower())),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source="runpod catalog",
            account=stamp.account,
            jurisdiction=jurisdiction_of(PROVIDER, place["id"]),
            launch_s=120,
        )
        for place in places
    ]


def card(row: Mapping[str, Any]) -> str:
    """The catalogue key of a GPU type: the short name decides, its id tells the form where the name does not. Raises ValueError."""
    form = "PCIe" if "PCIE" in row["id"].upper() else ""
    return accelerator_key(row["name"], memory_gib=row["memory"], form=form)


def type_name(count: int, gpu: str) -> str:
    """RunPod names GPUs, not machines: a pod's shape is called ``8x NVIDIA H100 80GB HBM3``."""
    return f"{count}x {gpu}"


def gpu_of(name: str) -> dict[str, Any]:
    """What ``type_name`` was made of, as RunPod orders it."""
    count, _, gpu = name.partition("x ")
    return {"id": gpu, "count": int(count)}


def node(row: Mapping[str, Any]) -> CloudNode:
    """A pod as the port describes it; its name is the launch token."""
    place, state = str(row["dataCenterId"] or ""), str(row["status"])
    return CloudNode(str(row["id"]), str(row["name"]), state not in ENDED, place, place, _address(row), state)


def _address(row: Mapping[str, Any]) -> str:
    """Its private address where global networking is on, else the public one of its TCP ports, "" until it has one."""
    private = (row.get("globalNetworking") or {}).get("ip")
    ports = (row.get("runtime") or {}).get("ports") or []
    public = next((port["ip"] for port in ports if port.get("type") == "tcp" and port.get("ip")), "")
    return str(private or public)
