"""Linode's answers as offers and nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.linode.errors import PROVIDER
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

TAG = "headrace"
GPU_CAPABILITY = "GPU Linodes"
_LABEL = re.compile(r"(?:.*\+\s*)?(?P<name>.+?)(?:\s+GPU)?\s+x\d+\b")


@dataclass(frozen=True, slots=True)
class Shop:
    """What every offer of one reading shares.

    Attributes:
        countries: of regions that sell GPUs. stock: yes or no by (region, plan), where Linode says.
    """

    account: str
    now: datetime
    countries: Mapping[str, str]
    stock: Mapping[tuple[str, str], bool]

    def regions_of(self, plan: str) -> list[str]:
        """Regions of a plan: those that the stock list names, else every region with GPUs."""
        listed = [region for region, named in self.stock if named == plan and region in self.countries]
        return sorted(listed or self.countries)


def countries(regions: Iterable[Mapping[str, Any]], wanted: Iterable[str]) -> dict[str, str]:
    """Country codes of regions that sell GPUs; all where none is ``wanted``."""
    chosen = set(wanted)
    return {
        str(row["id"]): str(row.get("country") or "").upper()
        for row in regions
        if GPU_CAPABILITY in (row.get("capabilities") or ()) and (not chosen or row["id"] in chosen)
    }


def stock(entries: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], bool]:
    """Yes or no by (region, plan)."""
    return {(str(row["region"]), str(row["plan"])): row["available"] is True for row in entries}


def offers(shop: Shop, row: Mapping[str, Any]) -> list[Offer]:
    """One GPU plan in every region that has it. Raises what a wrong shape raises."""
    if not int(row["gpus"]):
        return []
    kind = instance_type(
        PROVIDER,
        row["id"],
        accelerator=card(str(row["label"])),
        count=row["gpus"],
        vcpus=row["vcpus"],
        memory_gib=row["memory"] / 1024,
    )
    elsewhere = {str(price["id"]): price["hourly"] for price in row.get("region_prices") or ()}
    return [
        Offer(
            instance_type=kind,
            region=region,
            zone=region,
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price_micro_usd(elsewhere.get(region, row["price"]["hourly"]), accelerators=kind.accelerator_count),
            availability=_availability(shop.stock.get((region, kind.name))),
            observed_at=shop.now,
            source_kind=SourceKind.LIVE,
            source="linode types",
            account=shop.account,
            jurisdiction=shop.countries[region],
        )
        for region in shop.regions_of(kind.name)
    ]


def _availability(told: bool | None) -> Availability:
    return Availability() if told is None else Availability.of_boolean(told)


def card(label: str) -> str:
    """The catalogue key of ``RTX4000 Ada x1 Small`` or ``Dedicated 32GB + RTX6000 GPU x1``. Raises ValueError."""
    fits = _LABEL.match(label)
    if fits is None:
        raise ValueError(f"no GPU in the label {label!r}")
    return accelerator_key(fits["name"])


def node(row: Mapping[str, Any]) -> CloudNode:
    """A Linode as the port describes it; its label is the launch token where it carries our tag. One that is off is still paid for."""
    region, state = str(row["region"]), str(row["status"])
    address = next(iter(row.get("ipv4") or ()), "")
    token = str(row["label"]) if TAG in (row.get("tags") or ()) else ""
    return CloudNode(str(row["id"]), token, state != "deleting", region, region, str(address), state)
