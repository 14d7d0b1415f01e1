"""IBM's answers as offers and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from providers.ibm.errors import PROVIDER
from providers.ibm.prices import PRICES
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type
from scheduler.domain.offer import Availability, CapacityType, Offer
from scheduler.domain.ports import CloudNode

FAILED = "failed"
PENDING = ("pending", "starting")
ENDED = ("deleting", FAILED)
"""A stopped machine keeps its boot volume, which costs: it counts as running until it is deleted."""

NO_ADDRESS = "0.0.0.0"  # noqa: S104 - what IBM tells before it has chosen one
FORMS = {"H100": "SXM", "H200": "SXM"}
"""Where the vendor's pages name one; the API never does."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the offers of one region share. ``options`` may declare prices."""

    account: str
    region: str
    now: datetime
    options: Mapping[str, str]


def endpoints(listed: list[Mapping[str, Any]]) -> dict[str, str]:
    """Where each region's API is."""
    return {str(row["name"]): f"{str(row['endpoint']).rstrip('/')}/v1" for row in listed}


def following(body: Mapping[str, Any]) -> str:
    """The token of the next page, "" on the last: a parameter of the address in ``next``."""
    href = (body.get("next") or {}).get("href") or ""
    return parse_qs(urlsplit(href).query).get("start", [""])[0]


def offers(reading: Reading, row: Mapping[str, Any]) -> list[Offer]:
    """One profile in every zone that supports it; none for a profile without GPUs. Raises what a wrong shape raises."""
    if not row.get("gpu_count"):
        return []
    name, count = str(row["name"]), _fixed(row, "gpu_count")
    (model,) = row["gpu_model"]["values"]
    kind = instance_type(
        PROVIDER,
        name,
        accelerator=card(str(model), _fixed(row, "gpu_memory") / count),
        count=count,
        vcpus=_fixed(row, "vcpu_count"),
        memory_gib=_fixed(row, "memory"),
    )
    told = PRICES.price(reading.options, f"{name}_{reading.region}", name)
    return [
        Offer(
            instance_type=kind,
            region=reading.region,
            zone=str(zone["name"]),
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=told.micro_usd_of(1, accelerators=kind.accelerator_count),
            availability=Availability(),
            observed_at=reading.now,
            source_kind=told.kind,
            source=f"ibm instance profiles; price {told.source}",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, reading.region),
            launch_s=240,
        )
        for zone in row["zones"]
    ]


def _fixed(row: Mapping[str, Any], field: str) -> int:
    """A size of a profile. Raises ValueError where the order could choose it: then the name alone does not say what is bought."""
    if row[field]["type"] != "fixed":
        raise ValueError(f"{field} is {row[field]['type']}, not fixed")
    return int(row[field]["value"])


def card(model: str, memory_gib: float) -> str:
    """The catalogue key of ``H100``. Raises ValueError."""
    form = next((form for stem, form in FORMS.items() if stem in model.upper()), "")
    return accelerator_key(model, memory_gib=round(memory_gib), form=form)


def node(region: str, row: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it; its name is the launch token."""
    state, address = str(row["status"]), str(row["primary_network_interface"]["primary_ip"]["address"])
    return CloudNode(
        str(row["id"]),
        str(row["name"]),
        state not in ENDED,
        region,
        str(row["zone"]["name"]),
        "" if address == NO_ADDRESS else address,
        state,
    )


def reason(row: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message of the first reason for an instance's status, ("", "") where it tells none."""
    told: Mapping[str, Any] = next(iter(row.get("status_reasons") or ()), {})
    return str(told.get("code") or ""), str(told.get("message") or "")
