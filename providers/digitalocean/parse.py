"""DigitalOcean's sizes and Droplets as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from providers.digitalocean.errors import PROVIDER
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.errors import ProviderDataError
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

ENDED = ("archive",)
SPOT_SUFFIX = "-spot"
FORMS = {"nvidia_h100": "SXM"}
"""Of models that exist in several forms, the one that is sold here: FACTS.md."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one reading shares."""

    account: str
    now: datetime


def next_page(body: Mapping[str, Any]) -> str:
    """The number of the next page, "" at the end. Only the number is taken from the link: the token goes to no other host."""
    pages = (body.get("links") or {}).get("pages") or {}
    if not isinstance(pages, Mapping):
        raise ProviderDataError(PROVIDER, "links.pages is not a map")
    link = str(pages.get("next") or "")
    return parse_qs(urlsplit(link).query).get("page", [""])[0]


def offers(stamp: Stamp, row: Mapping[str, Any]) -> list[Offer]:
    """One size in every region that accepts creates of it; none for a size without GPUs. Raises what a wrong shape raises."""
    gpu = row.get("gpu_info")
    if not gpu:
        return []
    if gpu["vram"]["unit"] != "gib":
        raise ValueError(f"video memory in {gpu['vram']['unit']!r}")
    kind = instance_type(
        PROVIDER,
        row["slug"],
        accelerator=accelerator_key(gpu["model"], memory_gib=gpu["vram"]["amount"] // gpu["count"], form=FORMS.get(gpu["model"], "")),
        count=gpu["count"],
        vcpus=row["vcpus"],
        memory_gib=row["memory"] / 1024,
    )
    price = price_micro_usd(row["price_hourly"], accelerators=kind.accelerator_count)
    return [
        Offer(
            instance_type=kind,
            region=region,
            zone=region,
            capacity_type=CapacityType.SPOT if kind.name.endswith(SPOT_SUFFIX) else CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price,
            availability=Availability.of_boolean(bool(row["available"])),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source="digitalocean sizes",
            account=stamp.account,
            jurisdiction=jurisdiction_of(PROVIDER, region),
            launch_s=240,
        )
        for region in row["regions"]
    ]


def node(row: Mapping[str, Any]) -> CloudNode:
    """A Droplet as the port describes it; its name is the launch token."""
    region, state = str(row["region"]["slug"]), str(row["status"])
    return CloudNode(str(row["id"]), str(row["name"]), state not in ENDED, region, region, _address(row), state)


def _address(row: Mapping[str, Any]) -> str:
    """Its private address, else its public one, "" until it has one."""
    networks = (row.get("networks") or {}).get("v4") or []
    by_kind = {network["type"]: str(network["ip_address"]) for network in networks}
    return by_kind.get("private") or by_kind.get("public", "")
