"""What every adapter promises, run over all of them. A new adapter adds one line to ``ADAPTERS`` and one case to ``subject``."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import vendor_aws
import vendor_azure
import vendor_gcp
from conftest import MarketProcess

from providers import simulated, snapshot, static
from providers.simulated.base import base_offers
from providers.simulated.cloud import SimulatedCloud
from providers.simulated.market import Market
from providers.simulated.shelf import Temper
from scheduler.domain.accelerator import ACCELERATORS
from scheduler.domain.offer import AvailabilityKind, CapacityType, Offer, SourceKind
from scheduler.domain.ports import LaunchRequest, NodeLauncher, OfferPage, Provider, ProviderSettings
from simulations.vendors.trial import NoPace

ADAPTERS = ("aws", "azure", "gcp", "market", "memory", "snapshot", "static")
LAUNCHING = ("aws", "azure", "gcp", "market", "memory", "static")
MACHINES = """
[[machines]]
name = "rack-a-l4"
region = "basement"
jurisdiction = "DE"
accelerator = "L4-24GB-PCIe"
accelerator_count = 2
hosts = ["10.0.0.11", "10.0.0.12"]
usd_per_h = 0
"""


@dataclass(frozen=True)
class Subject:
    """One adapter under test and an offer of it that can be launched."""

    provider: Provider
    offer_part: str

    async def pages(self) -> list[OfferPage]:
        return [page async for page in self.provider.offers.read_offers()]

    async def offers(self) -> list[Offer]:
        return [offer for page in await self.pages() for offer in page.offers]

    async def request(self, token: str = "Token_1") -> LaunchRequest:
        offer = next(offer for offer in await self.offers() if self.offer_part in offer.id)
        return LaunchRequest("node-1", "cluster-1", token, offer, "#!/bin/sh\n", (sys.executable, "-c", "import time; time.sleep(600)"))

    @property
    def launcher(self) -> NodeLauncher:
        assert self.provider.launcher is not None
        return self.provider.launcher


@pytest.fixture
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    now = datetime.now(tz=UTC)  # noqa: TID251
    match request.param:
        case "aws":
            request.getfixturevalue("aws")
            return Subject(vendor_aws.account(), "us-east-1a/g6.xlarge/spot")
        case "azure":
            return Subject(vendor_azure.account(request.getfixturevalue("azure")), f"{vendor_azure.T4}/spot")
        case "gcp":
            return Subject(vendor_gcp.account(request.getfixturevalue("gcp")), "us-central1-a/g2-standard-4/spot")
        case "market":
            market: MarketProcess = request.getfixturevalue("market_process")
            settings = ProviderSettings("aws", "simulated", account="main", endpoint=market.url)
            return Subject(simulated.provider(settings, market.environ, lambda: now, NoPace()), "g6.xlarge/spot")
        case "memory":
            cloud = SimulatedCloud("aws", Market(1, base_offers(("aws",)), Temper(volatility=0)), lambda: now, account="main")
            return Subject(cloud.as_provider(), "g6.xlarge/spot")
        case "snapshot":
            return Subject(snapshot.provider(ProviderSettings("snapshot", "snapshot", account="main"), {}, lambda: now, NoPace()), "")
        case "static":
            path = tmp_path / "machines.toml"
            path.write_text(MACHINES)
            settings = ProviderSettings("own", "static", account="main", options={"file": str(path)})
            return Subject(static.provider(settings, {}, lambda: now, NoPace()), "rack-a-l4")
    raise AssertionError(request.param)


every = pytest.mark.parametrize("subject", ADAPTERS, indirect=True)
launching = pytest.mark.parametrize("subject", LAUNCHING, indirect=True)


@every
async def test_offers_are_whole_and_dated_and_say_where_they_come_from(subject: Subject) -> None:
    offers = await subject.offers()
    assert offers
    assert max(Counter(offer.id for offer in offers).values()) == 1
    for offer in offers:
        assert offer.account == "main"
        assert offer.region
        assert offer.zone
        assert offer.source
        assert offer.instance_type.accelerator in ACCELERATORS
        assert offer.instance_type.accelerator_count >= 1
        assert offer.observed_at.utcoffset() == timedelta(0)
        assert offer.price_micro_usd_per_h > 0 or offer.source_kind is SourceKind.DECLARED


@every
async def test_every_scope_is_completed_once(subject: Subject) -> None:
    complete = Counter(page.scope for page in await subject.pages() if page.complete)
    assert complete
    assert set(complete.values()) == {1}


@every
async def test_offers_keep_their_identity_between_polls(subject: Subject) -> None:
    assert [offer.id for offer in await subject.offers()] == [offer.id for offer in await subject.offers()]


@every
async def test_what_is_declared_is_what_is_there(subject: Subject) -> None:
    provider, offers = subject.provider, await subject.offers()
    declared = provider.capabilities
    assert declared.launches == (provider.launcher is not None)
    assert declared.notices == (provider.notices is not None)
    assert declared.quotas <= (provider.limits is not None)
    assert {offer.availability.kind for offer in offers} <= {declared.availability, AvailabilityKind.UNKNOWN}
    kinds = {offer.capacity_type for offer in offers}
    assert declared.on_demand_prices == (CapacityType.ON_DEMAND in kinds)
    assert declared.spot_prices == (CapacityType.SPOT in kinds)


@launching
async def test_spot_offers_carry_the_declared_notice(subject: Subject) -> None:
    for offer in await subject.offers():
        assert offer.notice_s == (subject.provider.capabilities.notice_s if offer.capacity_type.revocable else 0)


@every
async def test_quotas_cover_offers(subject: Subject) -> None:
    if subject.provider.limits is None:
        return
    limits, offers = await subject.provider.limits.read_limits(), await subject.offers()
    assert all(quota.account == "main" for quota in limits.quotas)
    assert any(quota.covers(offer) for quota in limits.quotas for offer in offers)
    assert all(quota.limit >= 0 and quota.used >= 0 for quota in limits.quotas)


@launching
async def test_a_token_is_one_machine_however_often_it_is_launched(subject: Subject) -> None:
    first = await subject.launcher.launch(await subject.request())
    again = await subject.launcher.launch(await subject.request())
    assert again.provider_node_id == first.provider_node_id
    assert (first.running, first.launch_token) == (True, "Token_1")
    assert [node.provider_node_id for node in await subject.launcher.find("Token_1")] == [first.provider_node_id]
    assert [node.provider_node_id for node in await subject.launcher.list_nodes() if node.running] == [first.provider_node_id]


@launching
async def test_a_machine_is_where_its_offer_says(subject: Subject) -> None:
    request = await subject.request()
    node = await subject.launcher.launch(request)
    assert (node.region, node.zone) == (request.offer.region, request.offer.zone)


@launching
async def test_terminating_is_idempotent_and_the_unknown_is_no_error(subject: Subject) -> None:
    node = await subject.launcher.launch(await subject.request())
    await subject.launcher.terminate(node)
    await subject.launcher.terminate(node)
    await subject.launcher.terminate(replace(node, provider_node_id="i-0123456789abcdef0"))
    assert not any(found.running for found in await subject.launcher.find("Token_1"))


@launching
async def test_an_unknown_token_finds_nothing(subject: Subject) -> None:
    await subject.launcher.launch(await subject.request())
    assert not await subject.launcher.find("Token_2")


def test_factories_import_no_vendor_sdk_before_it_is_needed() -> None:
    check = (
        "import sys, providers.aws, providers.azure, providers.gcp, providers.simulated, providers.snapshot, providers.static\n"
        "heavy = [name for name in ('boto3', 'botocore', 'google.cloud', 'azure.core', 'httpx2') if name in sys.modules]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)
