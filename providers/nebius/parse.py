"""Nebius' messages as offers and nodes. Pure: it reads fields of the SDK's messages and knows no SDK."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.jurisdiction import jurisdiction_of
from providers.nebius.errors import PROVIDER
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from scheduler.domain.accelerator import ACCELERATORS
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind, StockBucket
from scheduler.domain.ports import CloudNode

TOKEN_LABEL = "headrace-launch"  # noqa: S105 - the name of a label
ENDED = ("DELETING",)
LEVELS = {
    "AVAILABILITY_LEVEL_HIGH": StockBucket.HIGH,
    "AVAILABILITY_LEVEL_MEDIUM": StockBucket.MEDIUM,
    "AVAILABILITY_LEVEL_LOW": StockBucket.LOW,
}
MEMORY_TOLERANCE = 0.1

Advice = Mapping[tuple[str, str, str], Any]
"""Resource advice (its status) by region, platform and preset."""


@dataclass(frozen=True, slots=True)
class Sold:
    """A preset of a platform, the costs that Nebius estimated for it, and why there is none."""

    platform: Any
    preset: Any
    costs: Mapping[CapacityType, str]
    problem: str = ""

    @property
    def name(self) -> str:
        """``gpu-h100-sxm_8gpu-128vcpu-1600gb``; a machine is ordered by both parts."""
        return f"{self.platform.metadata.name}_{self.preset.name}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the offers of one region share."""

    account: str
    region: str
    now: datetime
    advice: Advice


def parts(name: str) -> tuple[str, str]:
    """Platform and preset of an instance type."""
    platform, _, preset = name.partition("_")
    return platform, preset


def advice(rows: Iterable[Any]) -> dict[tuple[str, str, str], Any]:
    """Advice by region, platform and preset; a preset in several fabrics keeps the last."""
    found: dict[tuple[str, str, str], Any] = {}
    for row in rows:
        machine = row.spec.compute_instance
        if machine is not None:
            found[row.spec.region, machine.platform, machine.preset.name] = row.status
    return found


def hourly_usd(estimate: Any) -> str:
    """The cost of one hour, as written. Raises ValueError where it is in another currency or not there."""
    if estimate.currency.lower() != "usd":
        raise ValueError(f"the estimate is in {estimate.currency!r}")
    hourly = [total.general.total.cost for total in estimate.total_costs if total.general is not None]
    if len(hourly) != 1:
        raise ValueError(f"the estimate has {len(hourly)} costs by the hour")
    return str(hourly[0])


def offers(reading: Reading, sold: Sold) -> list[Offer]:
    """One preset, on demand and preemptible. Raises what a wrong shape raises."""
    if sold.problem:
        raise ValueError(sold.problem)
    spec, resources = sold.platform.spec, sold.preset.resources
    platform, preset = sold.platform.metadata.name, sold.preset.name
    kind = instance_type(
        PROVIDER,
        sold.name,
        accelerator=card(platform, spec.gpu_memory_gigabytes or spec.gpu_memory_gibibytes),
        count=resources.gpu_count,
        vcpus=resources.vcpu_count,
        memory_gib=resources.memory_gibibytes,
    )
    told = reading.advice.get((reading.region, platform, preset))
    return [
        Offer(
            instance_type=kind,
            region=reading.region,
            zone=reading.region,
            capacity_type=capacity,
            price_micro_usd_per_h=price_micro_usd(cost, accelerators=kind.accelerator_count),
            availability=availability(told, preemptible=capacity.revocable),
            observed_at=reading.now,
            source_kind=SourceKind.LIVE,
            source="nebius platforms, calculator, resource advice",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, reading.region),
            launch_s=240,
        )
        for capacity, cost in sold.costs.items()
    ]


def availability(told: Any, *, preemptible: bool) -> Availability:
    """The level that Nebius advises, nothing where nothing can be had; unknown where it is our quota that ends, or old data."""
    if told is None:
        return Availability()
    state = told.preemptible if preemptible else told.on_demand
    level = LEVELS.get(state.availability_level.name)
    if level is None or state.data_state.name != "DATA_STATE_FRESH":
        return Availability()
    return Availability.of_bucket(level if state.available > 0 else StockBucket.NONE)


def card(platform: str, memory_gb: int) -> str:
    """The catalogue key of ``gpu-l40s-d``: the last letter is a variant of the host. Raises ValueError."""
    model = re.sub(r"-[a-z]$", "", platform.removeprefix("gpu-"))
    key = accelerator_key({"rtx6000": "RTXPRO6000"}.get(model, model), memory_gib=memory_gb or None)
    known = ACCELERATORS[key].memory_gib
    if memory_gb and abs(known - memory_gb) > known * MEMORY_TOLERANCE:
        raise ValueError(f"platform {platform!r} should have {key}, and has {memory_gb} GB")
    return key


def node(region: str, row: Any) -> CloudNode:
    """An instance as the port describes it; a label holds its launch token.

    One that was preempted is stopped, and its disk paid for: it counts as running until deleted.
    """
    state = row.status.state.name
    interfaces = list(row.status.network_interfaces)
    address = interfaces[0].ip_address.address.partition("/")[0] if interfaces else ""
    token = str(row.metadata.labels.get(TOKEN_LABEL, ""))
    return CloudNode(row.metadata.id, token, state not in ENDED, region, region, address, state)
