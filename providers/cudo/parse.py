"""Cudo's answers as offers and nodes. Pure.

Cudo sells parts: GPUs, vCPUs, memory. An offer is a machine type with 1, 2, 4 or 8 GPUs and the smallest host share that its rules allow.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from providers.cudo.errors import PROVIDER
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

Row = Mapping[str, Any]

GPU_COUNTS = (1, 2, 4, 8)
MARK = "headrace"
"""Metadata key of our machines."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What every offer of one reading shares.

    Attributes:
        memory_gib: of one GPU, by GPU model id. disk_gib: of the boot disk that every machine gets.
        ram_gib_per_gpu: 0 for as much as the GPU has.
    """

    account: str
    now: datetime
    memory_gib: Mapping[str, int]
    disk_gib: int
    ram_gib_per_gpu: int = 0


def gpu_memory(models: Iterable[Row]) -> dict[str, int]:
    """Memory by GPU model id."""
    return {str(model["id"]): int(model["memoryGib"]) for model in models if model.get("memoryGib")}


def offers(shop: Shop, row: Row) -> list[Offer]:
    """One machine type in one data centre, in every size that could be free. Raises what a wrong shape raises."""
    if not row.get("gpuModelId"):
        return []
    largest = int(row["maxGpuFree"])
    return [_offer(shop, row, count) for count in GPU_COUNTS if count <= max(1, largest)]


def _offer(shop: Shop, row: Row, gpus: int) -> Offer:
    kind = size(shop, row, gpus)
    place = str(row["dataCenterId"])
    return Offer(
        instance_type=kind,
        region=place,
        zone=place,
        capacity_type=CapacityType.ON_DEMAND,
        price_micro_usd_per_h=price(row, kind, shop.disk_gib),
        availability=stock(row, gpus),
        observed_at=shop.now,
        source_kind=SourceKind.LIVE,
        source="cudo machine-types-2",
        account=shop.account,
        jurisdiction=jurisdiction_of(PROVIDER, place),
    )


def size(shop: Shop, row: Row, gpus: int) -> InstanceType:
    """The smallest machine with that many GPUs that keeps Cudo's ratios. Raises ValueError where they exclude each other."""
    memory = shop.memory_gib.get(str(row["gpuModelId"]))
    card = accelerator_key(str(row["gpuModel"]), memory_gib=memory)
    ram = max(math.ceil(row["minMemoryGib"]), gpus * (shop.ram_gib_per_gpu or memory or 0))
    low = max(row["minVcpu"], gpus * row["minVcpuPerGpu"], ram * row["minVcpuPerMemoryGib"])
    high = min(gpus * row["maxVcpuPerGpu"], ram * row["maxVcpuPerMemoryGib"])
    vcpus = math.ceil(low)
    if vcpus > high:
        raise ValueError(f"no vCPU count fits {gpus} GPUs with {ram} GiB: at least {low:g}, at most {high:g}")
    return instance_type(PROVIDER, f"{row['machineType']}:{gpus}", accelerator=card, count=gpus, vcpus=vcpus, memory_gib=ram)


def price(row: Row, kind: InstanceType, disk_gib: int) -> int:
    """The whole machine per hour in micro-USD: GPUs, vCPUs, memory, boot disk and a public address."""
    # A missing GPU price must not hide behind those of the other parts.
    gpu = price_micro_usd(row["gpuPriceHr"]["value"])
    others = (
        kind.vcpus * _usd(row, "vcpuPriceHr")
        + int(kind.memory_gib) * _usd(row, "memoryGibPriceHr")
        + disk_gib * _usd(row, "minStorageGibPriceHr")
        + _usd(row, "ipv4PriceHr")
    )
    return gpu * kind.accelerator_count + (price_micro_usd(others, accelerators=kind.accelerator_count) if others else 0)


def _usd(row: Row, part: str) -> Decimal:
    try:
        found = Decimal(str(row[part]["value"]))
    except InvalidOperation:
        raise ValueError(f"{part} is not a number: {row[part]!r}") from None
    if not found.is_finite() or found < 0:
        raise ValueError(f"{part} is no price: {row[part]!r}")
    return found


def stock(row: Row, gpus: int) -> Availability:
    """Single GPUs are counted; of more together Cudo only says how many fit on its emptiest host."""
    if gpus == 1:
        return Availability.of_count(int(row["totalGpuFree"]))
    return Availability.of_boolean(gpus <= int(row["maxGpuFree"]))


def node(row: Row) -> CloudNode:
    """A machine as the port describes it; its id is the launch token where it carries our mark."""
    state, place = str(row.get("state") or ""), str(row.get("datacenterId") or "")
    address = str(row.get("internalIpAddress") or row.get("publicIpAddress") or row.get("externalIpAddress") or "")
    token = str(row["id"]) if (row.get("metadata") or {}).get(MARK) else ""
    return CloudNode(str(row["id"]), token, state not in ("DELETING", "DELETED", "FAILED"), place, place, address, state)
