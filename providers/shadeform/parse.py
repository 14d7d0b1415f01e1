"""Shadeform's answers as offers and nodes. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, cloud_kind, instance_type, price_micro_usd
from providers.shadeform.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode, LaunchRequest

Row = Mapping[str, Any]

ENDED = ("deleting", "deleted")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one reading shares."""

    account: str
    now: datetime


def name(row: Row) -> str:
    """What a row calls itself."""
    return f"{row['cloud']} {row['shade_instance_type']}"


def offers(stamp: Stamp, row: Row) -> list[Offer]:
    """One type of one cloud in every region, in the name of that cloud; Shadeform is the source. Raises what a wrong shape raises."""
    told = row["configuration"]
    if not told.get("num_gpus"):
        return []
    cloud = cloud_kind(str(row["cloud"]))
    kind = instance_type(
        cloud,
        row["shade_instance_type"],
        accelerator=card(told),
        count=told["num_gpus"],
        vcpus=told["vcpus"],
        memory_gib=told["memory_in_gb"],
    )
    price = price_micro_usd(Decimal(str(row["hourly_price"])) / 100, accelerators=kind.accelerator_count)
    return [
        Offer(
            instance_type=kind,
            region=str(place["region"]),
            zone=str(place["region"]),
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price,
            availability=Availability.of_boolean(place["available"] is True),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source=PROVIDER,
            account=stamp.account,
            jurisdiction=_jurisdiction(cloud, str(place["region"])),
            launch_s=int((row.get("boot_time") or {}).get("max_boot_in_sec") or 600),
        )
        for place in row["availability"]
    ]


def card(told: Row) -> str:
    """The catalogue key: ``gpu_type`` with its memory, the form from ``interconnect``."""
    form = str(told.get("interconnect") or "").upper()
    form = "SXM" if form.startswith("SXM") else {"PCIE": "PCIe", "NVL": "NVL"}.get(form, "")
    return accelerator_key(str(told["gpu_type"]), memory_gib=told.get("vram_per_gpu_in_gb"), form=form)


def _jurisdiction(cloud: str, region: str) -> str:
    """By the cloud's own table; Shadeform writes regions in lower case, clouds do as they like."""
    return jurisdiction_of(cloud, region) or jurisdiction_of(cloud, region.upper())


def order(request: LaunchRequest, cloud: str, image: str) -> dict[str, Any]:
    """A launch as Shadeform takes it: the agent as a container, because scripts there are no cloud-config.

    Args:
        cloud: Shadeform's name of the cloud.
    """
    docker: dict[str, Any] = {"image": image, "envs": [{"name": key, "value": value} for key, value in request.env.items()]}
    if request.argv:
        docker["args"] = shlex.join(request.argv)
    return {
        "cloud": cloud,
        "region": request.offer.region,
        "shade_instance_type": request.offer.instance_type.name,
        "shade_cloud": True,
        "name": request.launch_token,
        "launch_configuration": {"type": "docker", "docker_configuration": docker},
    }


def node(row: Row) -> CloudNode:
    """An instance as the port describes it; its name is the launch token."""
    region, state = str(row["region"]), str(row["status"])
    return CloudNode(str(row["id"]), str(row.get("name") or ""), state not in ENDED, region, region, str(row.get("ip") or ""), state)
