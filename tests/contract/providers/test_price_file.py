"""AWS's public price files: hundreds of megabytes, read line by line, never mixed from two editions, never a reason to lose offers."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from providers.aws.pricefile import PriceFile
from scheduler.bootstrap.registry import load_provider
from scheduler.domain.errors import InvalidInputError, ProviderDataError
from scheduler.domain.offer import AvailabilityKind, CapacityType
from scheduler.domain.ports import Provider, ProviderSettings
from simulations.vendors.answers import Answer, Asked
from simulations.vendors.clouds.aws import Aws
from simulations.vendors.fake import system_clock
from simulations.vendors.pricefile import PriceListFile
from simulations.vendors.server import FakeVendor, Trouble
from simulations.vendors.trial import NoPace, Trial, Walk, hold, nothing_vanished, same

REGION = "us-east-1"
REGIONS = (REGION, "eu-central-1")


class FromFiles(Aws):
    """The same fake, its adapter told to read files. Where ``anew`` is set, a file is published anew as soon as a part of it is wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.anew = False

    def settings(self, url: str) -> ProviderSettings:
        given = super().settings(url)
        return ProviderSettings("aws", "aws", account="main", endpoint=url, options={**given.options, "prices": "file"})

    def _price_file(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if self.anew and "range" in asked.headers:
            self.anew, self.edition = False, "20261102000000"
            self.estate.products[0] = replace(self.estate.products[0], usd_per_h=44.0)
        return super()._price_file(asked)


@contextmanager
def from_files() -> Iterator[tuple[FromFiles, Trial]]:
    fake = FromFiles()
    with fake.serve() as server:
        yield fake, Trial(fake, server)


@contextmanager
def keyless(fake: Aws) -> Iterator[tuple[Provider, FakeVendor]]:
    with fake.serve() as server:
        settings = ProviderSettings("aws", "aws", "main", server.url, REGIONS, {"prices": "keyless", "price_endpoint": server.url})
        yield load_provider(settings, {}, system_clock, NoPace()), server


def of_a_file(asked: Asked) -> bool:
    return asked.path.startswith("/offers/")


async def walked(provider: Provider) -> Walk:
    return Walk([page async for page in provider.offers.read_offers()])


async def test_files_tell_the_same_prices_as_the_price_list_api() -> None:
    fake = Aws()
    with fake.serve() as server:
        before = await Trial(fake, server).walk()
    with from_files() as (_, one):
        walk = await one.walk()
    hold(walk.whole and not walk.quarantined, f"{walk.error or walk.failed} {walk.quarantined}")
    same(walk, before)


async def test_who_may_not_list_products_reads_the_file() -> None:
    fake = Aws()
    with fake.serve() as server:
        before = await Trial(fake, server).walk()
        fake.may_list_products = False
        walk = await Trial(fake, server).walk()
    assert walk.whole
    same(walk, before)


async def test_an_unchanged_file_is_not_read_again() -> None:
    with from_files() as (fake, one):
        before = await one.walk()
        fake.asked.clear()
        walk = await one.walk()
        same(walk, before)
    assert {each.headers["if-none-match"] for each in fake.asked} == {PriceListFile(region, (), 0).version for region in REGIONS}


async def test_a_broken_connection_goes_on_where_it_stopped() -> None:
    with from_files() as (fake, one):
        one.trouble(Trouble.TRUNCATED, of_a_file, times=1)
        walk = await one.walk()
    assert walk.whole
    (resumed,) = [each for each in fake.asked if "range" in each.headers]
    assert int(resumed.headers["range"].removeprefix("bytes=").removesuffix("-")) > 100_000


async def test_a_file_published_anew_during_the_reading_is_read_from_its_first_line() -> None:
    with from_files() as (fake, one):
        before = await one.walk()
        one, fake.anew = Trial(fake, one.server), True
        one.trouble(Trouble.TRUNCATED, lambda asked: of_a_file(asked) and fake.region_of(asked) == REGION, times=1)
        walk = await one.walk()
    assert walk.whole
    assert not fake.anew
    new = {o.price_micro_usd_per_h for o in walk.offers.values() if o.instance_type.name == "p5.48xlarge" and not o.capacity_type.revocable}
    assert new == {44_000_000}
    same(walk, before, without="p5.48xlarge")


async def test_a_truncated_file_loses_no_offer() -> None:
    with from_files() as (fake, one):
        before = await one.walk()
        one = Trial(fake, one.server)
        one.trouble(Trouble.TRUNCATED, lambda asked: of_a_file(asked) and fake.region_of(asked) == REGION, times=1)
        one.trouble(Trouble.SERVER_ERROR, lambda asked: of_a_file(asked) and "range" in asked.headers)
        walk = await one.walk()
    assert set(walk.failed) == {REGION}
    assert walk.completed == {"eu-central-1"}
    nothing_vanished(walk, before)
    kept = {offer.instance_type.name for offer in walk.offers.values() if offer.region == REGION and not offer.capacity_type.revocable}
    assert "p5.48xlarge" in kept, "what was read before the end is good"
    spot = [key for key, offer in before.offers.items() if offer.region == REGION and offer.capacity_type.revocable]
    assert set(spot) <= walk.offers.keys(), "spot prices come from elsewhere"


async def test_prices_need_no_credentials() -> None:
    with keyless(Aws()) as (provider, _):
        walk = await walked(provider)
    assert walk.whole
    assert {offer.region for offer in walk.offers.values()} == set(REGIONS)
    assert {offer.capacity_type for offer in walk.offers.values()} == {CapacityType.ON_DEMAND}
    assert {offer.availability.kind for offer in walk.offers.values()} == {AvailabilityKind.UNKNOWN}
    assert {offer.zone == offer.region for offer in walk.offers.values()} == {True}
    assert {o.price_micro_usd_per_h for o in walk.offers.values() if o.instance_type.name == "g6.xlarge"} == {804_800}


async def test_a_type_whose_accelerator_nobody_told_is_a_problem_not_an_offer() -> None:
    fake = Aws()
    fake.estate.products[1] = replace(fake.estate.products[1], name="g99.xlarge")
    with keyless(fake) as (provider, _):
        walk = await walked(provider)
    assert walk.whole
    told = {row for row in walk.quarantined if row.startswith("g99")}
    assert told == {"g99.xlarge: which accelerator it has is not in the bundled price list"}


def test_keyless_prices_are_of_named_regions() -> None:
    with pytest.raises(InvalidInputError, match="regions"):
        load_provider(ProviderSettings("aws", "aws", options={"prices": "keyless"}), {}, system_clock, NoPace())


async def test_memory_does_not_grow_with_the_file() -> None:
    with from_files() as (fake, one):
        await one.walk()
        fake.price_file_bytes = 24 * 10**6
        fake.edition = "20261103000000"
        tracemalloc.start()
        try:
            walk = await one.walk()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert walk.whole
    assert peak < 8 * 2**20


def test_a_file_can_be_sent_from_any_byte_on() -> None:
    file = PriceListFile(REGION, [{"Instance Type": f"g{number}.xlarge"} for number in range(5)], 40_000)
    whole = b"".join(file.parts())
    assert len(whole) == file.size >= 40_000
    for offset in range(0, file.size, 977):
        assert b"".join(file.parts(offset)) == whole[offset:]


def test_noise_is_no_price() -> None:
    file = PriceFile(REGION)
    for line in b"".join(PriceListFile(REGION, [], 60_000).parts()).splitlines():
        file.take(line)
    assert not file.usd_per_h
    assert not file.bad


@pytest.mark.parametrize("column", ["TermType", "PricePerUnit", "Region Code"])
def test_a_file_whose_columns_have_other_names_is_an_error(column: str) -> None:
    file = PriceFile(REGION)
    header = next(line for line in b"".join(PriceListFile(REGION, [], 0).parts()).splitlines() if line.startswith(b'"SKU"'))
    with pytest.raises(ProviderDataError, match=column):
        file.take(header.replace(column.encode(), b"Renamed"))


def test_two_prices_of_one_type_are_none() -> None:
    rows = [{"Instance Type": "g6.xlarge", "PricePerUnit": usd} for usd in ("1.0", "2.0")]
    file = PriceFile(REGION)
    for line in b"".join(PriceListFile(REGION, rows, 0).parts()).splitlines():
        file.take(line)
    assert [row.reason for row in file.bad] == ["two prices"]
    assert file.usd_per_h == {"g6.xlarge": "two prices"}
