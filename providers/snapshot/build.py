"""Builds ``offers.csv`` from a third-party crawl of public list prices. Run by hand, once per refresh:

    python -m providers.snapshot.build gpu_offers.csv

What it does to the crawl, and why:

- An empty or zero price is unknown, so it yields no row.
- Google sells hosts and accelerators apart: an instance is the host plus its accelerators, in the same zone. Where one of
  the two is unknown, so is the sum.
- A price below ``PRICE_RATIO_MIN`` of the median of the same thing over all regions is a committed-use price that slipped in.
- A spot price above ``SPOT_RATIO_MAX`` of on-demand means that one of them is wrong. On Google it is on-demand (committed
  use), and both go; elsewhere the crawl repeats on-demand where it has no spot price, and only spot goes.
- "A100" is two products in two forms: the instance's name, or the memory, decides; where neither does, the row goes.
- Fractions of a GPU and cards outside the catalogue go: nothing here can schedule them.
- A date that gives only a year becomes its first day: the oldest that it can mean.
- Only ``REGIONS`` of the clouds with dozens, so that the file stays small.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from providers.cards import azure_card
from providers.jurisdiction import jurisdiction_of
from providers.normalise import accelerator_key, instance_type, price_micro_usd
from providers.pricelist import BUNDLED, COLUMNS
from providers.snapshot.shapes import CARDS, GCP_HOSTS, aws_shape
from scheduler.domain.accelerator import ACCELERATORS
from scheduler.domain.offer import CapacityType
from scheduler.domain.units import usd

PRICE_RATIO_MIN = 0.65
SPOT_RATIO_MAX = 0.9
REGIONS = {
    "gcp": ("us-central1", "us-east4", "us-west1", "europe-west1", "europe-west3", "europe-west4", "asia-southeast1", "asia-northeast1"),
    "azure": (
        "eastus", "eastus2", "southcentralus", "westus3", "canadacentral", "westeurope", "northeurope", "francecentral",
        "germanywestcentral", "swedencentral", "uksouth", "japaneast", "southeastasia",
    ),
    "lambda": ("us-east-1", "us-west-1", "europe-central-1", "asia-northeast-1"),
}  # fmt: skip
PRICE_COLUMNS = {CapacityType.ON_DEMAND: "on_demand_usd_per_h", CapacityType.SPOT: "spot_usd_per_h"}
Crawled = dict[str, str]


class Dropped(Exception):
    """Why a row of the crawl does not reach the snapshot."""


def build(crawl: Iterable[Crawled], regions: Mapping[str, Sequence[str]] = REGIONS) -> tuple[list[list[str]], Counter[str]]:
    """The snapshot's rows, sorted, and how many of the crawl's prices were dropped for which reason.

    ``regions`` names those kept of a cloud; a cloud that it does not name keeps all.
    """
    dropped: Counter[str] = Counter()
    rows: dict[tuple[str, ...], list[str]] = {}
    plausible = _without_mis_scaled(list(crawl), dropped)
    for row in _combined(plausible):
        if row["region"] not in regions.get(row["provider"], (row["region"],)):
            continue
        for capacity, column in PRICE_COLUMNS.items():
            try:
                built = _row(row, capacity, column)
            except (Dropped, ValueError) as error:
                dropped[str(error)] += 1
                continue
            rows.setdefault((built[0], built[1], built[2], built[4], built[9]), built)
    return [rows[key] for key in sorted(rows)], dropped


def _without_mis_scaled(crawl: Sequence[Crawled], dropped: Counter[str]) -> list[Crawled]:
    medians: dict[tuple[str, str, str], float] = {}
    groups: dict[tuple[str, str, str], list[float]] = {}
    for row in crawl:
        for column in PRICE_COLUMNS.values():
            if _number(row[column]) > 0:
                groups.setdefault((*_thing(row), column), []).append(_number(row[column]))
    medians = {key: statistics.median(prices) for key, prices in groups.items()}
    kept: list[Crawled] = []
    for row in crawl:
        clean = dict(row)
        on_demand, spot = (_number(row[column]) for column in PRICE_COLUMNS.values())
        if 0 < on_demand < PRICE_RATIO_MIN * medians[(*_thing(row), "on_demand_usd_per_h")]:
            clean["on_demand_usd_per_h"] = ""
            dropped["on-demand price far below other regions: committed use"] += 1
        elif 0 < SPOT_RATIO_MAX * on_demand < spot:
            clean["spot_usd_per_h"] = ""
            dropped["spot price as high as on-demand"] += 1
            if row["provider"] == "gcp":
                clean["on_demand_usd_per_h"] = ""
        kept.append(clean)
    return kept


def _thing(row: Crawled) -> tuple[str, str]:
    return row["provider"], row["instance_type"] or f"{row['accelerator']} x {row['accelerator_count']}"


def _combined(crawl: Sequence[Crawled]) -> Iterable[Crawled]:
    """Whole instances: Google's hosts with their accelerators, everything else as it is."""
    cards = {
        (row["zone"], row["accelerator"], int(_number(row["accelerator_count"]))): row
        for row in crawl
        if row["price_scope"] == "accelerator_only"
    }
    for row in crawl:
        if row["price_scope"] == "instance":
            yield row
        elif row["price_scope"] == "host_only" and row["instance_type"] in GCP_HOSTS:
            name, count = GCP_HOSTS[row["instance_type"]]
            card = cards.get((row["zone"], name, count))
            if card is None:
                continue
            whole = {**row, "accelerator": name, "accelerator_count": str(count)}
            for column in PRICE_COLUMNS.values():
                parts = (_number(row[column]), _number(card[column]))
                whole[column] = f"{sum(parts):.6f}" if min(parts) > 0 else ""
            yield whole


def _row(row: Crawled, capacity: CapacityType, column: str) -> list[str]:
    if _number(row[column]) <= 0:
        raise Dropped(f"{capacity.value} price unknown")
    if row["accelerator_count"] and _number(row["accelerator_count"]) % 1:
        raise Dropped("a fraction of a GPU")
    provider, name = row["provider"], row["instance_type"]
    key = _card(row)
    gpus, vcpus, memory = row["accelerator_count"], row["vcpus"], row["memory_gib"]
    if provider == "aws":
        gpus, vcpus, memory = (str(part) for part in aws_shape(name))
    if provider == "vast":
        # One name stands for both memory sizes; the identity of an offer may not.
        name = f"{name}-{key.split('-')[1]}"
    kind = instance_type(provider, name, accelerator=key, count=gpus, vcpus=vcpus, memory_gib=memory)
    price = usd(price_micro_usd(row[column], accelerators=kind.accelerator_count))
    dollars = f"{price:.6f}".rstrip("0").rstrip(".")
    region, jurisdiction = _region(provider, row["region"])
    as_of = row["as_of"] if len(row["as_of"]) == 10 else f"{row['as_of']}-01-01"
    source = row["source"].split(";")[0]
    sizes = [str(kind.accelerator_count), str(kind.vcpus), f"{kind.memory_gib:g}"]
    return [provider, region, row["zone"], jurisdiction, name, key, *sizes, capacity.value, dollars, as_of, source]


def _card(row: Crawled) -> str:
    provider, listed = row["provider"], row["accelerator"]
    known = azure_card(row["instance_type"]) if provider == "azure" else CARDS.get((provider, listed), "")
    if known and listed.split("-")[0] == known.split("-")[0]:
        return known
    memory = _number(row["accelerator_memory_mib"]) / 1024
    if provider == "vast":
        memory /= max(1.0, _number(row["accelerator_count"]))
    name = row["instance_type"].upper().replace("NVLINK", "")
    form = "SXM" if "SXM" in name else "PCIe" if "PCIE" in name or "A100" in name else "NVL" if "NVL" in name else ""
    if provider == "lambda" and name == "GPU_8X_A100":
        form = "SXM"
    if provider == "vast" and "V100" in name:
        form = "SXM" if "SXM" in name else "PCIe"
    try:
        return accelerator_key(listed, memory_gib=round(memory) or None, form=form)
    except ValueError as error:
        raise Dropped(str(error)) from error


def _region(provider: str, region: str) -> tuple[str, str]:
    """Region and country. Vast writes ``place, country, continent``; its place says nothing that a rule could use."""
    if provider != "vast":
        return region, jurisdiction_of(provider, region)
    country = region.split(",")[1].strip()
    return country.lower(), country


def _number(text: str) -> float:
    return float(text) if text.strip() else 0.0


def main(crawl_path: str) -> None:
    """Write ``offers.csv`` beside this file and print what was kept and what was dropped."""
    with Path(crawl_path).open(encoding="utf-8", newline="") as source:
        rows, dropped = build(csv.DictReader(source))
    with BUNDLED.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    kept = Counter(row[0] for row in rows)
    print(f"{len(rows)} rows of {len(kept)} clouds, {len({row[5] for row in rows})} of {len(ACCELERATORS)} accelerators: {dict(kept)}")
    for reason, count in dropped.most_common():
        print(f"{count:6d} dropped: {reason}")


if __name__ == "__main__":
    main(sys.argv[1])
