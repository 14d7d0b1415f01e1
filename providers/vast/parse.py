"""Vast's asks and instances as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.normalise import accelerator_key, instance_type, price_micro_usd
from providers.vast.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

NOWHERE = "unknown"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one search shares."""

    account: str
    now: datetime
    capacity_type: CapacityType


def offers(stamp: Stamp, row: Mapping[str, Any]) -> list[Offer]:
    """One ask: so many GPUs of one machine, for as long as nobody else takes them. Raises what a wrong shape raises."""
    count, region = row["num_gpus"], country(row.get("geolocation"))
    kind = instance_type(
        PROVIDER,
        type_name(row),
        accelerator=accelerator_key(row["gpu_name"], memory_gib=round(row["gpu_ram"] / 1024)),
        count=count,
        vcpus=row.get("cpu_cores_effective"),
        memory_gib=memory_gib(row),
    )
    return [
        Offer(
            instance_type=kind,
            region=region,
            zone=str(row["machine_id"]),
            capacity_type=stamp.capacity_type,
            price_micro_usd_per_h=price_micro_usd(row["dph_total"], accelerators=count),
            availability=Availability.of_boolean(bool(row["rentable"])),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source="vast bundles",
            account=stamp.account,
            jurisdiction="" if region == NOWHERE else region,
            launch_s=300,
        )
    ]


def type_name(row: Mapping[str, Any]) -> str:
    """Vast names GPUs, not machines: the shape of an ask is called ``2x RTX 4090``."""
    return f"{row['num_gpus']}x {row['gpu_name']}"


def count_of(name: str) -> int:
    """How many GPUs ``type_name`` told."""
    return int(name.partition("x ")[0])


def country(geolocation: object) -> str:
    """The country code at the end of ``Quebec, CA``."""
    code = str(geolocation or "").rpartition(",")[2].strip()
    return code if len(code) == 2 and code.isascii() and code.isupper() else NOWHERE


def memory_gib(row: Mapping[str, Any]) -> float:
    """The ask's share of the machine's memory, which follows its share of the cores; 0 where that is not told."""
    cores, all_cores, memory_mib = (float(row.get(name) or 0) for name in ("cpu_cores_effective", "cpu_cores", "cpu_ram"))
    return memory_mib / 1024 * cores / all_cores if all_cores else 0.0


def node(row: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it; its label is the launch token.

    It is paid for until it is destroyed: a stopped or outbid one still costs its disk.
    """
    state = str(row.get("actual_status") or row.get("cur_state") or "")
    region, machine = country(row.get("geolocation")), str(row["machine_id"])
    return CloudNode(str(row["id"]), str(row.get("label") or ""), True, region, machine, str(row.get("public_ipaddr") or ""), state)
