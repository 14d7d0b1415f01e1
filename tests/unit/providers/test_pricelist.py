"""The bundled price list, its builder and its reader."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from providers import snapshot
from providers.pricelist import BUNDLED, COLUMNS, bundled_price_list, read_price_list
from providers.snapshot.build import build
from scheduler.domain.errors import InvalidInputError, ProviderDataError
from scheduler.domain.offer import AvailabilityKind, CapacityType, SourceKind
from scheduler.domain.ports import Provider, ProviderSettings
from simulations.vendors.trial import NoPace

CRAWL = Path(__file__).parents[4] / "shared" / "data" / "catalog" / "gpu_offers.csv"
GOOD = "aws,us-east-1,,US,g6.xlarge,L4-24GB-PCIe,1,4,16,on-demand,0.8048,2026-07-20,list"


def provider(**options: str) -> Provider:
    settings = ProviderSettings("snapshot", "snapshot", options=options)
    return snapshot.provider(settings, {}, lambda: pytest.fail("a list price is dated by its list, not by a clock"), NoPace())


def crawled(**fields: str) -> dict[str, str]:
    row = {
        "provider": "azure", "region": "eastus", "zone": "", "instance_type": "Standard_NC4as_T4_v3", "accelerator": "T4",
        "accelerator_count": "1", "accelerator_memory_mib": "", "vcpus": "4", "memory_gib": "28", "on_demand_usd_per_h": "0.5",
        "spot_usd_per_h": "", "price_scope": "instance", "as_of": "2026-05-20", "source": "crawl",
    }  # fmt: skip
    return {**row, **fields}


def test_the_bundled_list_is_clean_and_wide() -> None:
    prices = bundled_price_list()
    assert prices.quarantined == ()
    assert 300 < len(prices.rows) <= 1_500
    assert len({row.instance_type.provider for row in prices.rows}) >= 8
    assert BUNDLED.stat().st_size < 300_000
    keys = Counter((row.instance_type.provider, row.zone, row.instance_type.name, row.capacity_type) for row in prices.rows)
    assert max(keys.values()) == 1


def test_every_row_has_a_country_a_date_and_a_source() -> None:
    assert not [row for row in bundled_price_list().rows if len(row.jurisdiction) != 2 or not row.source]


def test_spot_is_never_dearer_than_on_demand() -> None:
    prices = {(row.zone, row.instance_type.name, row.capacity_type): row.micro_usd_per_h for row in bundled_price_list().rows}
    for (zone, name, capacity), price in prices.items():
        if capacity is CapacityType.SPOT:
            assert price < prices.get((zone, name, CapacityType.ON_DEMAND), price + 1)


def test_the_bundled_list_is_what_the_builder_makes_of_the_crawl() -> None:
    if not CRAWL.exists():
        pytest.skip("the crawl that the snapshot was built from is research data, not part of this project")
    with CRAWL.open(encoding="utf-8", newline="") as crawl, BUNDLED.open(encoding="utf-8", newline="") as bundled:
        assert build(csv.DictReader(crawl))[0] == list(csv.reader(bundled))[1:]


def test_a_host_and_its_accelerators_make_an_instance() -> None:
    host = {"provider": "gcp", "region": "us-central1", "zone": "us-central1-a"}
    crawl = [
        crawled(**host, instance_type="g2-standard-24", accelerator="", accelerator_count="", price_scope="host_only",
                on_demand_usd_per_h="0.9", spot_usd_per_h="0.4"),
        crawled(**host, instance_type="", accelerator="L4", accelerator_count="2", price_scope="accelerator_only",
                on_demand_usd_per_h="1.1", spot_usd_per_h="0"),
    ]  # fmt: skip
    rows, dropped = build(crawl)
    assert [(row[4], row[6], row[9], row[10]) for row in rows] == [("g2-standard-24", "2", "on-demand", "2")]
    assert dropped["spot price unknown"] == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"on_demand_usd_per_h": "0"}, "on-demand price unknown"),
        ({"accelerator_count": "0.333"}, "a fraction of a GPU"),
        ({"accelerator": "M60", "instance_type": "Standard_NV12s_v3"}, "unknown accelerator 'M60'"),
        ({"provider": "vast", "region": ", US, NA", "accelerator": "H100", "instance_type": "1x-H100"}, "fits 3 catalogue entries"),
    ],
)
def test_what_is_unknown_or_ambiguous_is_dropped_with_its_reason(fields: dict[str, str], reason: str) -> None:
    rows, dropped = build([crawled(**fields)])
    assert rows == []
    assert any(reason in why for why in dropped)


def test_a_committed_use_price_does_not_pass_for_on_demand() -> None:
    regions = ("eastus", "eastus2", "westus3")
    rows, _ = build([crawled(region=region, on_demand_usd_per_h="0.3" if region == "westus3" else "0.6") for region in regions])
    assert {row[1] for row in rows} == {"eastus", "eastus2"}


def test_a_spot_price_that_repeats_on_demand_is_unknown() -> None:
    rows, _ = build([crawled(spot_usd_per_h="0.5")])
    assert [row[9] for row in rows] == ["on-demand"]


def test_a_bad_row_is_quarantined_and_the_rest_kept() -> None:
    lines = [",".join(COLUMNS), GOOD, GOOD.replace("0.8048", "NaN"), GOOD.replace("L4-24GB-PCIe", "Voodoo2")]
    prices = read_price_list(lines)
    assert len(prices.rows) == 1
    assert [bad.row for bad in prices.quarantined] == ["line 3", "line 4"]


async def test_offers_are_dated_by_the_list_and_of_unknown_availability() -> None:
    pages = [page async for page in provider(clouds="aws,verda").offers.read_offers()]
    assert [page.scope for page in pages] == ["aws", "verda"]
    offers = [offer for page in pages for offer in page.offers]
    assert {offer.source_kind for offer in offers} == {SourceKind.SNAPSHOT}
    assert {offer.availability.kind for offer in offers} == {AvailabilityKind.UNKNOWN}
    assert {offer.observed_at.date().isoformat() for offer in offers if offer.provider == "aws"} == {"2026-07-20"}


async def test_a_file_that_is_no_price_list_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ProviderDataError, match=r"prices\.csv"):
        [page async for page in provider(file=str(path)).offers.read_offers()]
    with pytest.raises(InvalidInputError, match=r"options\.file"):
        provider(file=str(tmp_path / "absent.csv"))
