"""Azure's answers as domain values. Pure: dictionaries in, offers and quarantined rows out; field names are Azure's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from providers.cards import FRACTIONS, azure_card
from providers.jurisdiction import jurisdiction_of
from providers.normalise import instance_type, price_micro_usd, quarantined
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, Quota, QuotaUnit, SourceKind
from scheduler.domain.ports import Quarantined

PROVIDER = "azure"
NOTICE_S = 30
SPOT_QUOTA = "lowPriorityCores"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one poll has in common."""

    account: str
    region: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Size:
    """A GPU size in one region.

    Attributes:
        zones: zones that may sell it to us; empty where the region has none.
        restricted: the region does not sell it to this subscription.
    """

    kind: InstanceType
    zones: tuple[str, ...]
    spot: bool
    restricted: bool


def sizes(rows: Iterable[Mapping[str, Any]], region: str) -> tuple[dict[str, Size], list[Quarantined]]:
    """GPU sizes from ``resourceSkus``; those without GPUs, and parts of GPUs, are skipped."""
    found: dict[str, Size] = {}
    bad: list[Quarantined] = []
    for row in rows:
        name = str(row.get("name", ""))
        abilities = _abilities(row)
        if not sells_gpus(row) or name in FRACTIONS:
            continue
        try:
            found[name] = _size(name, row, abilities)
        except (ValueError, KeyError, TypeError) as error:
            bad.append(quarantined(region, name, error, abilities))
    return found, bad


def sells_gpus(row: Mapping[str, Any]) -> bool:
    """Whether a row of ``resourceSkus`` is a machine with GPUs: of ten thousand in a region some fifty are."""
    return row.get("resourceType") == "virtualMachines" and _abilities(row).get("GPUs", "0") != "0"


def _abilities(row: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in row.get("capabilities") or () if "name" in each and "value" in each}


def _size(name: str, row: Mapping[str, Any], abilities: Mapping[str, str]) -> Size:
    card = azure_card(name)
    if not card:
        raise ValueError(f"the card in {name} is not known")
    kind = instance_type(
        PROVIDER,
        name,
        accelerator=card,
        count=abilities["GPUs"],
        vcpus=abilities["vCPUs"],
        memory_gib=abilities["MemoryGB"],
        quota_family=row["family"],
    )
    zones = {str(zone) for info in row.get("locationInfo") or () for zone in info.get("zones") or ()}
    restricted = False
    for restriction in row.get("restrictions") or ():
        if restriction.get("type") == "Location":
            restricted = True
        elif restriction.get("type") == "Zone":
            zones -= {str(zone) for zone in (restriction.get("restrictionInfo") or {}).get("zones") or ()}
    return Size(kind, tuple(sorted(zones)), abilities.get("LowPriorityCapable") == "True", restricted)


def prices(
    rows: Iterable[Mapping[str, Any]], region: str, known: Mapping[str, Size]
) -> tuple[dict[tuple[str, CapacityType], int], list[Quarantined]]:
    """Linux prices by size and capacity type, from the Retail Prices API.

    Windows, Low Priority (of the Batch service), Dev/Test and reservations are other products under the same size.
    """
    found: dict[tuple[str, CapacityType], int] = {}
    bad: list[Quarantined] = []
    for row in rows:
        name = str(row.get("armSkuName", ""))
        names = f"{row.get('productName', '')} {row.get('skuName', '')} {row.get('meterName', '')}"
        if name not in known or row.get("type") != "Consumption" or "Windows" in names or "Low Priority" in names:
            continue
        capacity = CapacityType.SPOT if "Spot" in names else CapacityType.ON_DEMAND
        try:
            if row.get("unitOfMeasure") != "1 Hour" or row.get("currencyCode") != "USD":
                raise ValueError(f"price is per {row.get('unitOfMeasure')!r} in {row.get('currencyCode')!r}")
            found[name, capacity] = price_micro_usd(row.get("retailPrice"), accelerators=known[name].kind.accelerator_count)
        except ValueError as error:
            bad.append(quarantined(region, f"{capacity.value} {name}", error, row))
    return found, bad


def offers(stamp: Stamp, known: Mapping[str, Size], priced: Mapping[tuple[str, CapacityType], int]) -> list[Offer]:
    """One offer per size, zone and capacity type with a known price.

    Azure says where a size is *not* sold to us; that it is sold says nothing of stock, so the rest is unknown.
    """
    found: list[Offer] = []
    for (name, capacity), price in sorted(priced.items()):
        size = known[name]
        if capacity is CapacityType.SPOT and not size.spot:
            continue
        offer = Offer(
            instance_type=size.kind,
            region=stamp.region,
            zone=stamp.region,
            capacity_type=capacity,
            price_micro_usd_per_h=price,
            availability=Availability.of_boolean(False) if size.restricted else Availability(),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source="Azure Retail Prices API",
            account=stamp.account,
            jurisdiction=jurisdiction_of(PROVIDER, stamp.region),
            notice_s=NOTICE_S if capacity is CapacityType.SPOT else 0,
        )
        found += [replace(offer, zone=f"{stamp.region}-{zone}") for zone in size.zones] or [offer]
    return found


def quotas(stamp: Stamp, rows: Iterable[Mapping[str, Any]], families: Iterable[str], own_cores: Mapping[str, int]) -> list[Quota]:
    """Core limits from ``usage``: one per GPU family on demand, and the shared spot limit for each family.

    Args:
        own_cores: cores that headrace itself runs, by family and, for spot, under ``SPOT_QUOTA``; not counted as used.
    """
    by_name = {str((row.get("name") or {}).get("value", "")).lower(): row for row in rows}
    found: list[Quota] = []
    for family in sorted(set(families)):
        for capacity, name in ((CapacityType.ON_DEMAND, family), (CapacityType.SPOT, SPOT_QUOTA)):
            row = by_name.get(name.lower())
            if row is not None:
                used = max(0, int(row["currentValue"]) - own_cores.get(name, 0))
                limit = int(row["limit"])
                found.append(
                    Quota(PROVIDER, stamp.account, stamp.region, family, QuotaUnit.VCPU, limit, (capacity,), stamp.now, used)
                )  # fmt: skip
    return found
