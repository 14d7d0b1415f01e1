"""The fake Google Cloud of the proofs, with operations that fail on order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from providers.gcp import provider
from scheduler.domain.offer import Offer
from scheduler.domain.ports import LaunchRequest, OfferPage, Provider, ProviderSettings
from simulations.vendors.clouds.gcp import Gcp
from simulations.vendors.fake import Answer, Asked, system_clock
from simulations.vendors.server import FakeVendor
from simulations.vendors.trial import NoPace


class PlayedGcp(Gcp):
    """``failure`` is what the operation of the next launches comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: dict[str, Any] = {}
        self.vendor: FakeVendor = self.serve()

    def _insert(self, asked: Asked) -> Answer:
        answer = super()._insert(asked)
        if answer.status < 400:
            self.operations[answer.body["name"]] |= self.failure
        return answer


@pytest.fixture
def gcp() -> Iterator[PlayedGcp]:
    fake = PlayedGcp()
    with fake.vendor:
        yield fake
    assert not fake.vendor.violations


def account(gcp: PlayedGcp, *regions: str, environ: Mapping[str, str] | None = None, **options: str) -> Provider:
    wanted = {**gcp.settings(gcp.vendor.url).options, **options}
    settings = ProviderSettings("gcp", "gcp", account="main", endpoint=gcp.vendor.url, regions=regions, options=wanted)
    return provider(settings, gcp.environ() if environ is None else environ, system_clock, NoPace())


async def pages(source: Provider) -> list[OfferPage]:
    return [page async for page in source.offers.read_offers()]


async def offer(source: Provider) -> Offer:
    return next(each for page in await pages(source) for each in page.offers if each.id.endswith("us-central1-a/g2-standard-4/spot"))


async def request(source: Provider, token: str = "Token_1") -> LaunchRequest:
    return LaunchRequest("Node 1", "gcp-us-central1", token, await offer(source), "#!/bin/sh\n")
