"""The fake Azure of the proofs, served, and an account at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from providers.azure import provider
from scheduler.domain.offer import Offer
from scheduler.domain.ports import LaunchRequest, OfferPage, Provider, ProviderSettings
from simulations.vendors.clouds.azure import Azure
from simulations.vendors.fake import system_clock
from simulations.vendors.server import FakeVendor
from simulations.vendors.trial import NoPace

T4, H100, A100 = "Standard_NC4as_T4_v3", "Standard_ND96isr_H100_v5", "Standard_NC24ads_A100_v4"


class PlayedAzure(Azure):
    """Keeps its server."""

    def __init__(self) -> None:
        super().__init__()
        self.vendor: FakeVendor = self.serve()


@pytest.fixture
def azure() -> Iterator[PlayedAzure]:
    fake = PlayedAzure()
    with fake.vendor:
        yield fake
    assert not fake.vendor.violations


def account(azure: PlayedAzure, *regions: str, environ: Mapping[str, str] | None = None, **options: str) -> Provider:
    wanted = {**azure.settings(azure.vendor.url).options, **options}
    settings = ProviderSettings("azure", "azure", account="main", endpoint=azure.vendor.url, regions=regions or ("eastus",), options=wanted)
    return provider(settings, azure.environ() if environ is None else environ, system_clock, NoPace())


async def pages(source: Provider) -> list[OfferPage]:
    return [page async for page in source.offers.read_offers()]


async def offer(source: Provider, part: str = f"{T4}/spot") -> Offer:
    return next(each for page in await pages(source) for each in page.offers if each.id.endswith(part))


async def request(source: Provider) -> LaunchRequest:
    return LaunchRequest("node-1", "azure-eastus", "Token_1", await offer(source), "#!/bin/sh\n")
