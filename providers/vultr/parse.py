"""Vultr's plans and machines as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from providers.vultr.cards import CARDS
from providers.vultr.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

INSTANCES, BARE_METALS = "instances", "bare-metals"
NO_ADDRESS = "0.0.0.0"  # noqa: S104 - what Vultr says while there is none


@dataclass(frozen=True, slots=True)
class Shelf:
    """One region in one reading.

    Attributes:
        stocked: plans that can launch there now; None where Vultr did not tell.
    """

    account: str
    now: datetime
    region: str
    country: str
    stocked: frozenset[str] | None


def countries(regions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Country codes by region; our own table where Vultr tells none."""
    return {str(row["id"]): str(row.get("country") or jurisdiction_of(PROVIDER, row["id"])) for row in regions}


def path_of(plan: str) -> str:
    """Where a plan is ordered: bare metal has calls of its own."""
    return BARE_METALS if plan.startswith("vbm-") else INSTANCES


def offers(shelf: Shelf, row: Mapping[str, Any]) -> list[Offer]:
    """One plan in one region, where it is sold on demand there and has whole GPUs. Raises what a wrong shape raises."""
    name, stocked = str(row["id"]), shelf.stocked
    sold = shelf.region in row["locations"] or (stocked is not None and name in stocked)
    if not sold or row.get("deploy_ondemand") is False or not has_gpus(row):
        return []
    count, key = (0, "") if is_slice(row) else card(row)
    if not count:
        return []
    kind = instance_type(
        PROVIDER,
        name,
        accelerator=key,
        count=count,
        vcpus=row["cpu_threads"] if path_of(name) == BARE_METALS else row["vcpu_count"],
        memory_gib=row["ram"] / 1024,
    )
    costs = (row.get("location_cost") or {}).get(shelf.region) or row
    return [
        Offer(
            instance_type=kind,
            region=shelf.region,
            zone=shelf.region,
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price_micro_usd(costs["hourly_cost"], accelerators=count),
            availability=Availability() if stocked is None else Availability.of_boolean(name in stocked),
            observed_at=shelf.now,
            source_kind=SourceKind.LIVE,
            source="vultr plans",
            account=shelf.account,
            jurisdiction=shelf.country,
            launch_s=1200 if path_of(name) == BARE_METALS else 300,
        )
    ]


def has_gpus(row: Mapping[str, Any]) -> bool:
    """Whether a plan has GPUs at all; its brand is "none" where it has not."""
    return bool(row.get("gpu_type")) or row["id"] in CARDS or str(row.get("gpu_brand") or "none") != "none"


def is_slice(row: Mapping[str, Any]) -> bool:
    """Whether a plan has only a part of a GPU, told as ``1/4``."""
    return "/" in str(row.get("gpu_count") or "")


def card(row: Mapping[str, Any]) -> tuple[int, str]:
    """How many GPUs a plan has, and the catalogue key of ``NVIDIA_L40S``. Raises ValueError where nobody tells."""
    if row["id"] in CARDS:
        return CARDS[row["id"]]
    if not row.get("gpu_type") or not row.get("gpu_count"):
        raise ValueError("the plan does not tell which GPUs it has, or how many")
    count, total_gib = int(row["gpu_count"]), row.get("gpu_vram_gb")
    maker, _, name = str(row["gpu_type"]).partition("_")
    form = "SXM" if "HGX" in name.split("_") else ""
    model = "_".join(word for word in (name or maker).split("_") if word != "HGX")
    return count, accelerator_key(model, memory_gib=total_gib // count if total_gib else None, form=form)


def node(row: Mapping[str, Any], path: str) -> CloudNode:
    """A machine as the port describes it; its label is the launch token, and its id tells the call that deletes it."""
    addresses = (str(row.get(name) or "") for name in ("internal_ip", "main_ip"))
    address = next((each for each in addresses if each not in ("", NO_ADDRESS)), "")
    region = str(row["region"])
    return CloudNode(f"{path}/{row['id']}", str(row.get("label") or ""), True, region, region, address, str(row["status"]))
