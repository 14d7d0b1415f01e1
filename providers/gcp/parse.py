"""Google's answers as domain values. Pure: dictionaries in (REST field names), offers and quarantined rows out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.normalise import instance_type, price_micro_usd, quarantined
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, Quota, QuotaUnit, SourceKind
from scheduler.domain.ports import Quarantined

PROVIDER = "gcp"
NOTICE_S = 30
CARDS = {
    # guestAcceleratorType: (catalogue key, quota metric, how the billing catalogue calls it)
    "nvidia-l4": ("L4-24GB-PCIe", "NVIDIA_L4_GPUS", r"L4 GPU"),
    "nvidia-tesla-a100": ("A100-40GB-SXM", "NVIDIA_A100_GPUS", r"Tesla A100 GPU"),
    "nvidia-a100-80gb": ("A100-80GB-SXM", "NVIDIA_A100_80GB_GPUS", r"Tesla A100 80GB GPU"),
    "nvidia-h100-80gb": ("H100-80GB-SXM", "NVIDIA_H100_GPUS", r"H100 80GB GPU"),
    "nvidia-h100-mega-80gb": ("H100-80GB-SXM", "NVIDIA_H100_MEGA_GPUS", r"H100 80GB Mega GPU|H100 80GB Plus GPU"),
    "nvidia-h200-141gb": ("H200-141GB-SXM", "NVIDIA_H200_GPUS", r"H200 141GB GPU"),
    "nvidia-b200": ("B200-180GB-SXM", "NVIDIA_B200_GPUS", r"B200 GPU"),
    "nvidia-rtx-pro-6000": ("RTXPRO6000-96GB-PCIe", "NVIDIA_RTX_PRO_6000_GPUS", r"RTX 6000 96GB|RTX PRO 6000"),
}
FAMILIES = {"a2": "A2", "a3": "A3", "a3plus": "A3Plus", "a3ultra": "A3Ultra", "a4": "A4", "g2": "G2", "g4": "G4"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one poll has in common."""

    account: str
    region: str
    now: datetime


@dataclass(frozen=True, slots=True)
class MachineType:
    """A GPU machine type in one zone, with the names its parts are billed under."""

    kind: InstanceType
    zone: str
    card: str
    family: str


def region_of(zone: str) -> str:
    """``us-central1-a`` lies in ``us-central1``."""
    return zone.rsplit("-", 1)[0]


def last(url: object) -> str:
    """The last part of a resource's URL: its name."""
    return str(url or "").rsplit("/", 1)[-1]


def machine_types(rows: Iterable[Mapping[str, Any]], region: str) -> tuple[list[MachineType], list[Quarantined]]:
    """GPU machine types of a region from ``machineTypes.aggregatedList``; GPUs that are attached to N1 are not among them."""
    found: list[MachineType] = []
    bad: list[Quarantined] = []
    for row in rows:
        zone, accelerators = last(row.get("zone")), row.get("accelerators") or []
        if not accelerators or region_of(zone) != region or (row.get("deprecated") or {}).get("state") in ("OBSOLETE", "DELETED"):
            continue
        name = str(row.get("name", ""))
        try:
            (accelerator,) = accelerators
            card = str(accelerator["guestAcceleratorType"])
            if card not in CARDS:
                raise ValueError(f"unknown accelerator {card!r}")
            kind = instance_type(
                PROVIDER,
                name,
                accelerator=CARDS[card][0],
                count=accelerator["guestAcceleratorCount"],
                vcpus=row["guestCpus"],
                memory_gib=int(row["memoryMb"]) / 1024,
                quota_family=CARDS[card][1],
            )
            found.append(MachineType(kind, zone, card, _family(name)))
        except (ValueError, KeyError, TypeError) as error:
            bad.append(quarantined(region, f"{name} in {zone}", error, row))
    return found, bad


def _family(name: str) -> str:
    """The billing catalogue's name of a family: A3 is three of them."""
    stem = name.split("-")[0]
    if stem == "a3":
        stem += "plus" if "megagpu" in name else "ultra" if "ultragpu" in name else ""
    return FAMILIES.get(stem, stem.upper())


class Catalogue:
    """Unit prices of the Cloud Billing catalogue, in micro-USD per unit and hour."""

    def __init__(self, skus: Iterable[Mapping[str, Any]]) -> None:
        self._prices: dict[tuple[str, str, CapacityType], float] = {}
        self.quarantined: list[Quarantined] = []
        for sku in skus:
            self._add(sku)

    def _add(self, sku: Mapping[str, Any]) -> None:
        category, text = sku.get("category") or {}, str(sku.get("description", ""))
        capacity = {"OnDemand": CapacityType.ON_DEMAND, "Preemptible": CapacityType.SPOT}.get(str(category.get("usageType")))
        part = _part(text) if category.get("resourceFamily") == "Compute" and capacity is not None else None
        if part is None or capacity is None:
            return
        try:
            micro_usd = _unit_price(sku)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self.quarantined.append(quarantined("", text, f"{type(error).__name__}: {error}", sku))
            return
        for region in sku.get("serviceRegions") or ():
            self._prices[part, region, capacity] = micro_usd

    def price(self, machine: MachineType, region: str, capacity: CapacityType) -> int | None:
        """A whole instance: cores, memory and GPUs; None where one of the three is unknown.

        Raises:
            ValueError: more than any instance costs.
        """
        kind = machine.kind
        parts = (
            (f"{machine.family} core", float(kind.vcpus)),
            (f"{machine.family} ram", kind.memory_gib),
            (machine.card, float(kind.accelerator_count)),
        )
        total = 0.0
        for part, amount in parts:
            unit = self._prices.get((part, region, capacity))
            if unit is None:
                return None
            total += unit * amount
        return price_micro_usd(total / 1e6, accelerators=kind.accelerator_count)


def _part(description: str) -> str | None:
    """What a SKU bills: a family's cores or memory, or a card; None for everything else (commitments, licences, custom)."""
    text = description.removeprefix("Spot Preemptible ")
    if re.search(r"Commitment|Reserved|Custom|Sole Tenancy|DWS|Calendar|Flex", text):
        return None
    host = re.match(r"(A2|A3|A3Plus|A3Ultra|A4|G2|G4) Instance (Core|Ram) running in", text)
    if host is not None:
        return f"{host[1]} {host[2].lower()}"
    for card, (_, _, name) in CARDS.items():
        if re.match(rf"(Nvidia )?({name}) (running in|attached to Spot Preemptible VMs running in)", text):
            return card
    return None


def _unit_price(sku: Mapping[str, Any]) -> float:
    expression = sku["pricingInfo"][-1]["pricingExpression"]
    if expression["usageUnit"] not in ("h", "GiBy.h"):
        raise ValueError(f"unit is {expression['usageUnit']!r}, not hours")
    price = expression["tieredRates"][-1]["unitPrice"]
    if price.get("currencyCode", "USD") != "USD":
        raise ValueError(f"currency is {price['currencyCode']!r}")
    micro_usd = int(price.get("units") or 0) * 1e6 + int(price.get("nanos") or 0) / 1e3
    if micro_usd <= 0:
        raise ValueError(f"price is not positive: {micro_usd / 1e6} USD")
    return micro_usd


def obtainability(recommendations: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], float]:
    """How likely one spot machine is to be had, from ``advice.capacity``: 0 to 1 by zone and type.

    A recommendation over several zones or types says nothing of one of them, and a number outside its range nothing at all.
    """
    found: dict[tuple[str, str], float] = {}
    for each in recommendations:
        shards, score = each.get("shards") or [], (each.get("scores") or {}).get("obtainability")
        if len(shards) == 1 and isinstance(score, int | float) and 0 <= score <= 1:
            found[last(shards[0].get("zone")), last(shards[0].get("machineType"))] = float(score)
    return found


def offers(
    stamp: Stamp, machines: Iterable[MachineType], catalogue: Catalogue, scores: Mapping[tuple[str, str], float]
) -> tuple[list[Offer], list[Quarantined]]:
    """One offer per machine type, zone and capacity type with a known price; no price, no offer.

    Args:
        scores: obtainability of spot machines; where there is none, and on demand, stock is unknown.
    """
    found: list[Offer] = []
    bad: list[Quarantined] = []
    for machine in machines:
        for capacity in (CapacityType.ON_DEMAND, CapacityType.SPOT):
            try:
                price = catalogue.price(machine, stamp.region, capacity)
            except ValueError as error:
                bad.append(quarantined(stamp.region, f"{capacity.value} {machine.kind.name} in {machine.zone}", error))
                continue
            if price is None:
                continue
            spot = capacity is CapacityType.SPOT
            score = scores.get((machine.zone, machine.kind.name)) if spot else None
            found.append(
                Offer(
                    instance_type=machine.kind,
                    region=stamp.region,
                    zone=machine.zone,
                    capacity_type=capacity,
                    price_micro_usd_per_h=price,
                    availability=Availability() if score is None else Availability.of_score(score),
                    observed_at=stamp.now,
                    source_kind=SourceKind.LIVE,
                    source="Cloud Billing catalogue",
                    account=stamp.account,
                    jurisdiction=jurisdiction_of(PROVIDER, stamp.region),
                    notice_s=NOTICE_S if spot else 0,
                )
            )
    return found, bad


def quotas(stamp: Stamp, rows: Iterable[Mapping[str, Any]], own_gpus: Mapping[str, int]) -> list[Quota]:
    """GPU limits of a region from ``regions.get``; metrics it lacks (H200, B200) stay unknown.

    Args:
        own_gpus: GPUs that headrace itself runs, by metric; not counted as used.
    """
    metrics = {metric for _, metric, _ in CARDS.values()}
    found: list[Quota] = []
    for row in rows:
        name = str(row.get("metric", ""))
        family = name.removeprefix("PREEMPTIBLE_")
        if family in metrics:
            capacity = CapacityType.ON_DEMAND if family == name else CapacityType.SPOT
            used = max(0, int(row.get("usage", 0)) - own_gpus.get(name, 0))
            found.append(
                Quota(
                    PROVIDER, stamp.account, stamp.region, family, QuotaUnit.GPU, int(row["limit"]), (capacity,), stamp.now, used
                )
            )  # fmt: skip
    return found
