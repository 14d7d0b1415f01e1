"""OCI's answers as offers and nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.normalise import instance_type, price_micro_usd
from providers.oci.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from scheduler.domain.ports import CloudNode

TOKEN_TAG = "headrace-launch"  # noqa: S105 - the name of a tag
ENDED = ("TERMINATING", "TERMINATED")
PREEMPTIBLE_PART = Decimal("0.5")
"""Preemptible capacity costs half of what on-demand costs, always."""

VCPUS_PER_OCPU = {"GB200": 1, "GB300": 1}
"""An OCPU is a core: two vCPUs on x86, one on Arm."""

_CARDS = (
    # part of the shape's name, card
    ("GPU2.", "P100-16GB-PCIe"),
    ("GPU3.", "V100-16GB-SXM"),
    ("GPU4.", "A100-40GB-SXM"),
    ("GPU.B4.", "A100-40GB-SXM"),
    ("GPU.A100-v2.", "A100-80GB-SXM"),
    ("GPU.A10.", "A10-24GB-PCIe"),
    ("GPU.L40S", "L40S-48GB-PCIe"),
    ("GPU.H100.", "H100-80GB-SXM"),
    ("GPU.H200.", "H200-141GB-SXM"),
    ("GPU.B200.", "B200-180GB-SXM"),
    ("GPU.B300.", "B300-270GB-SXM"),
    ("GPU.GB200.", "GB200-186GB-SXM"),
    ("GPU.GB300.", "GB300-279GB-SXM"),
    ("GPU.RTXPRO.", "RTXPRO6000-96GB-PCIe"),
    ("GPU.MI300X.", "MI300X-192GB-OAM"),
    ("GPU.MI355X.", "MI355X-288GB-OAM"),
)


@dataclass(frozen=True, slots=True)
class ListPrice:
    """What one shape costs.

    Attributes:
        usd_per_gpu_h: as written. preemptible: whether the shape is sold so.
    """

    usd_per_gpu_h: object
    preemptible: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What the offers of one region share. ``prices`` by shape."""

    account: str
    region: str
    now: datetime
    prices: Mapping[str, ListPrice]


def price_list(shapes: Iterable[Mapping[str, Any]], products: Iterable[Mapping[str, Any]]) -> dict[str, ListPrice]:
    """Prices by shape, from the two files of the cost estimator. Raises what a wrong shape raises."""
    usd = {
        str(product["partNumber"]): price["value"]
        for product in products
        if product.get("pricetype") == "HOUR"
        for local in product.get("currencyCodeLocalizations") or ()
        if local.get("currencyCode") == "USD"
        for price in local.get("prices") or ()
        if price.get("model") == "PAY_AS_YOU_GO"
    }
    found: dict[str, ListPrice] = {}
    for shape in shapes:
        if shape.get("status") != "ACTIVE" or shape.get("hidden") or (shape.get("subType") or {}).get("value") != "gpu":
            continue
        part = next((item["partNumber"] for item in shape.get("products") or () if item["type"]["value"] == "ocpu"), "")
        if part in usd:
            # Names are decorated for people: "BM.GPU.GB200.4 (NVL72)".
            found[str(shape["name"]).split(" (")[0].strip()] = ListPrice(usd[part], bool(shape.get("allowPreemptible")))
    return found


def offers(reading: Reading, domain: str, row: Mapping[str, Any], report: Mapping[str, Any] | None) -> list[Offer]:
    """One shape in one availability domain, on demand and preemptible. Raises what a wrong shape raises.

    Args:
        report: the shape's row of the domain's capacity report; it tells of on-demand capacity only.
    """
    name, gpus = str(row["shape"]), row["gpus"]
    key = card(name, str(row.get("gpuDescription") or ""))
    kind = instance_type(
        PROVIDER,
        name,
        accelerator=key,
        count=gpus,
        vcpus=row["ocpus"] * VCPUS_PER_OCPU.get(key.split("-")[0], 2),
        memory_gib=row["memoryInGBs"],
    )
    if name not in reading.prices:
        raise ValueError(f"the price list has no {name}")
    price = reading.prices[name]
    whole = Decimal(str(price.usd_per_gpu_h)) * kind.accelerator_count
    sold = [(CapacityType.ON_DEMAND, whole, availability(report))]
    if price.preemptible:
        sold.append((CapacityType.SPOT, whole * PREEMPTIBLE_PART, Availability()))
    return [
        Offer(
            instance_type=kind,
            region=reading.region,
            zone=domain,
            capacity_type=capacity,
            price_micro_usd_per_h=price_micro_usd(amount, accelerators=kind.accelerator_count),
            availability=stock,
            observed_at=reading.now,
            source_kind=SourceKind.LIVE,
            source="oci shapes, capacity report, cost estimator",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, reading.region),
            launch_s=300,
        )
        for capacity, amount, stock in sold
    ]


def availability(report: Mapping[str, Any] | None) -> Availability:
    """How many more could be launched, or whether any; unknown where the report says nothing."""
    told = report or {}
    count, status = told.get("availableCount"), told.get("availabilityStatus")
    if isinstance(count, int) and count >= 0:
        return Availability.of_count(count)
    known = {"AVAILABLE": True, "OUT_OF_HOST_CAPACITY": False, "HARDWARE_NOT_SUPPORTED": False}
    return Availability.of_boolean(known[status]) if status in known else Availability()


def card(shape: str, description: str) -> str:
    """The catalogue key of a shape's GPU: its name tells memory and form, its description must agree on the model. Raises ValueError."""
    key = next((key for part, key in _CARDS if part in shape), "")
    if not key:
        raise ValueError(f"unknown accelerator in shape {shape!r}: {description!r}")
    if description and key.split("-")[0].upper() not in re.sub(r"[^A-Z0-9]", "", description.upper()):
        raise ValueError(f"shape {shape!r} should have {key}, and has {description!r}")
    return key


def node(region: str, row: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it; a tag holds its launch token."""
    token, state = str((row.get("freeformTags") or {}).get(TOKEN_TAG, "")), str(row["lifecycleState"])
    return CloudNode(str(row["id"]), token, state not in ENDED, region, str(row["availabilityDomain"]), state=state)
