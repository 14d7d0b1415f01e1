"""The clouds of a problem: what each sells in which region. Real ones at their list prices, further ones priced like real neoclouds."""

from __future__ import annotations

import math
import random
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from providers.pricelist import ListPrice
from scheduler.domain.offer import CapacityType, InstanceType
from simulations.bench.generate.places import METROS
from simulations.bench.generate.sources import Sources

ORDER = ("azure", "gcp", "nebius", "lambda", "aws", "hyperstack", "verda", "vast")
"""Real clouds, those that a small problem takes first come first."""

USEFUL = (
    "L4-24GB-PCIe", "A10-24GB-PCIe", "A10G-24GB-PCIe", "L40S-48GB-PCIe", "A100-40GB-SXM", "A100-80GB-PCIe", "A100-80GB-SXM",
    "H100-80GB-PCIe", "H100-94GB-NVL", "H100-80GB-SXM", "H200-141GB-SXM", "B200-180GB-SXM", "B300-270GB-SXM",
    "RTXPRO6000-96GB-PCIe", "RTXA6000-48GB-PCIe",
)  # fmt: skip
"""Cards that people serve models on."""

STOCKED = (
    "L40S-48GB-PCIe", "A100-80GB-SXM", "H100-80GB-PCIe", "H100-80GB-SXM", "H200-141GB-SXM", "B200-180GB-SXM", "B300-270GB-SXM",
    "RTXPRO6000-96GB-PCIe", "RTXA6000-48GB-PCIe", "A100-80GB-PCIe",
)  # fmt: skip
"""What neoclouds sell."""

COUNTS = (1, 2, 4, 8)
SPOT_RATIO = (0.3, 0.6)
LIST_OF_NEOCLOUDS = ("lambda", "nebius", "verda", "hyperstack", "vast")
VCPUS_PER_GPU = 16
GIB_PER_GPU = 180.0
Region = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ware:
    """One thing on sale in one region; ``synthetic`` where its price is drawn."""

    price: ListPrice
    synthetic: bool


def wares(sources: Sources, clouds: int, per_region: int, draw: random.Random) -> dict[Region, list[Ware]]:
    """What is on sale, by (cloud, region), at most ``per_region`` each."""
    by_cloud: dict[str, dict[Region, list[Ware]]] = {}
    real = _real(sources.prices, per_region, draw)
    for cloud in ORDER[:clouds]:
        by_cloud[cloud] = {region: found for region, found in real.items() if region[0] == cloud}
    per_gpu = _per_gpu(sources.prices)
    for number in range(len(ORDER) + 1, clouds + 1):
        by_cloud[f"cloud-{number:02d}"] = _synthetic(f"cloud-{number:02d}", per_gpu, per_region, draw)
    return {region: found for regions in by_cloud.values() for region, found in sorted(regions.items())}


def _real(prices: Sequence[ListPrice], per_region: int, draw: random.Random) -> dict[Region, list[Ware]]:
    """The cheapest type for every card, count and way to buy it, in at most two zones of the region."""
    cheapest: dict[tuple[str, str, str, str, int, CapacityType], ListPrice] = {}
    kinds: dict[tuple[str, str], InstanceType] = {}
    for listed in prices:
        # A name stands for one type in a document, though some clouds vary its memory by region.
        kind = kinds.setdefault((listed.instance_type.provider, listed.instance_type.name), listed.instance_type)
        row = replace(listed, instance_type=kind)
        if kind.accelerator not in USEFUL or kind.accelerator_count not in COUNTS or row.jurisdiction == "":
            continue
        key = (kind.provider, row.region, row.zone, kind.accelerator, kind.accelerator_count, row.capacity_type)
        if key not in cheapest or row.micro_usd_per_h < cheapest[key].micro_usd_per_h:
            cheapest[key] = row
    zones: dict[Region, set[str]] = defaultdict(set)
    found: dict[Region, list[Ware]] = defaultdict(list)
    for key, row in sorted(cheapest.items()):
        region = key[:2]
        if row.zone in zones[region] or len(zones[region]) < 2:
            zones[region].add(row.zone)
            found[region].append(Ware(row, synthetic=False))
    return {region: _some(each, per_region, draw) for region, each in sorted(found.items())}


def _some(found: list[Ware], most: int, draw: random.Random) -> list[Ware]:
    """A random choice that favours whole nodes of large cards: what large models need."""

    def rank(ware: Ware) -> float:
        kind = ware.price.instance_type
        large = USEFUL.index(kind.accelerator) >= USEFUL.index("A100-80GB-PCIe")
        return draw.random() * (2.0 if large else 1.0) * (1.5 if kind.accelerator_count == 8 else 1.0)

    ranked = sorted(((rank(ware), index) for index, ware in enumerate(found)), reverse=True)
    return [found[index] for index in sorted(index for _, index in ranked[:most])]


def _per_gpu(prices: Sequence[ListPrice]) -> dict[tuple[str, CapacityType], list[int]]:
    """Prices per GPU by card: neoclouds' where they sell it, else 45% of the hyperscalers', their usual distance."""
    ours: dict[tuple[str, CapacityType], list[int]] = defaultdict(list)
    theirs: dict[tuple[str, CapacityType], list[int]] = defaultdict(list)
    for row in prices:
        kind = row.instance_type
        into = ours if kind.provider in LIST_OF_NEOCLOUDS else theirs
        into[kind.accelerator, row.capacity_type].append(row.micro_usd_per_h // max(1, kind.accelerator_count))
    found = {key: sorted(prices) for key, prices in ours.items()}
    return found | {key: [round(0.45 * price) for price in sorted(prices)] for key, prices in theirs.items() if key not in found}


def _synthetic(
    cloud: str, per_gpu: dict[tuple[str, CapacityType], list[int]], per_region: int, draw: random.Random
) -> dict[Region, list[Ware]]:
    """A cloud with three to eight regions and three to five cards, at one price level of its own."""
    level = math.exp(draw.gauss(0.0, 0.12))
    cards = draw.sample(STOCKED, draw.randint(3, 5))
    found: dict[Region, list[Ware]] = {}
    for metro, country in draw.sample(METROS, draw.randint(3, 8)):
        here = level * math.exp(draw.gauss(0.0, 0.05))
        listed = []
        for card in cards:
            price = here * draw.choice(per_gpu[card, CapacityType.ON_DEMAND])
            spot = here * _spot(card, per_gpu, draw)
            for count in (8, draw.choice(COUNTS)):
                kind = InstanceType(cloud, f"{card.lower()}.x{count}", card, count, VCPUS_PER_GPU * count, GIB_PER_GPU * count)
                row = ListPrice(
                    kind, metro, metro, country, CapacityType.ON_DEMAND, _rounded(price * count), date(2026, 7, 20), "synthetic"
                )
                listed.append(row)
                if draw.random() < 0.5:
                    listed.append(replace(row, capacity_type=CapacityType.SPOT, micro_usd_per_h=_rounded(min(spot, 0.8 * price) * count)))
        distinct = {(row.instance_type.name, row.capacity_type): Ware(row, synthetic=True) for row in listed}
        found[cloud, metro] = _some(list(distinct.values()), per_region, draw)
    return found


def _spot(card: str, per_gpu: dict[tuple[str, CapacityType], list[int]], draw: random.Random) -> float:
    known = per_gpu.get((card, CapacityType.SPOT))
    middle = statistics.median(per_gpu[card, CapacityType.ON_DEMAND])
    return draw.choice(known) if known else middle * draw.uniform(*SPOT_RATIO)


def _rounded(micro_usd: float) -> int:
    """To a tenth of a cent, as list prices are."""
    return max(1000, round(micro_usd / 1000) * 1000)
