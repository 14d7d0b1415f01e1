"""Together's answers as offers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type
from providers.together.errors import PROVIDER
from providers.together.prices import PRICES
from scheduler.domain.offer import Availability, CapacityType, Offer

GPUS_PER_NODE = 8
_INFERENCE = "_INF"
"""Ends the type of a GPU whose nodes have a slower network between them."""


class Sold(NamedTuple):
    """A GPU type that a region supports."""

    region: str
    gpu_type: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What every offer of one reading shares."""

    account: str
    now: datetime
    options: Mapping[str, str]


def sold(regions: Iterable[Mapping[str, Any]]) -> Iterator[Sold]:
    """What the regions support. Raises what a wrong shape raises."""
    for region in regions:
        for gpu_type in region["supported_instance_types"]:
            yield Sold(str(region["name"]), str(gpu_type))


def offers(reading: Reading, row: Sold) -> list[Offer]:
    """One node of eight GPUs; its processors and memory are not told. Raises ValueError."""
    kind = instance_type(
        PROVIDER,
        f"{GPUS_PER_NODE}x{row.gpu_type}",
        accelerator=accelerator_key(row.gpu_type.removesuffix(_INFERENCE)),
        count=GPUS_PER_NODE,
        vcpus=0,
        memory_gib=0,
    )
    told = PRICES.price(reading.options, row.gpu_type)
    return [
        Offer(
            instance_type=kind,
            region=row.region,
            zone=row.region,
            capacity_type=CapacityType.ON_DEMAND,
            price_micro_usd_per_h=told.micro_usd_of(GPUS_PER_NODE, accelerators=GPUS_PER_NODE),
            availability=Availability(),
            observed_at=reading.now,
            source_kind=told.kind,
            source=f"together compute/regions; price {told.source}",
            account=reading.account,
            jurisdiction=jurisdiction_of(PROVIDER, row.region),
        )
    ]
