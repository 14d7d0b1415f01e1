"""Tencent Cloud behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from providers.currency import Rate, rate
from providers.jurisdiction import known_regions
from providers.proofs import proof_of
from providers.rest import budget_of, by_scope, carrying, http_of, launched, sifted, understood
from providers.tencent import parse
from providers.tencent.errors import ERRORS, PROVIDER, opened
from providers.tencent.launch import order
from providers.tencent.transport import TencentApi, TencentAuth
from scheduler.domain.errors import InvalidInputError, NotFoundError
from scheduler.domain.offer import AvailabilityKind
from scheduler.domain.ports import (
    Capabilities,
    Clock,
    CloudNode,
    JoinMethod,
    LaunchRequest,
    OfferPage,
    Pace,
    Provider,
    ProviderSettings,
)


class Site(NamedTuple):
    """An account belongs to one of Tencent's sites, which has its own address and currency."""

    endpoint: str
    currency: str


SITES = {
    "international": Site("https://cvm.intl.tencentcloudapi.com", "USD"),
    "china": Site("https://cvm.tencentcloudapi.com", "CNY"),
}


class TencentProvider:
    """One Tencent Cloud account."""

    def __init__(self, settings: ProviderSettings, api: TencentApi, rate: Rate | None, clock: Clock) -> None:
        self._settings, self._api, self._rate, self._clock = settings, api, rate, clock
        self._regions = settings.regions or known_regions(PROVIDER)
        self._launches = budget_of(settings, "launch", per_s=10)

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region."""
        async for page in by_scope(self._regions, self._read_region):
            yield page

    async def _read_region(self, region: str) -> OfferPage:
        found = await self._api.configurations(region, tuple(parse.CHARGE_TYPES))
        reading = parse.Reading(self._settings.account, region, self._clock(), self._rate)
        offers, bad = sifted(region, found, lambda row: f"{row['InstanceType']} in {row['Zone']}", lambda row: parse.offers(reading, row))
        return OfferPage(region, tuple(offers), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Order one instance, once. Idempotent by client token. Raises the ProviderError family, InvalidInputError.

        The order is only accepted: an instance that cannot be made turns up as ``LAUNCH_FAILED``, which does not count as running.
        """
        offer = request.offer
        made = await self._api.change("RunInstances", offer.region, order(request, self._settings.options), self._launches)
        with launched(PROVIDER):
            (instance,) = made["InstanceIdSet"]
        return CloudNode(str(instance), request.launch_token, True, offer.region, offer.zone, state="PENDING")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances tagged with the token, in any of our regions."""
        return carrying(await self._tagged(f"tag:{parse.TAG}", launch_token), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance that carries our tag."""
        return await self._tagged("tag-key", parse.TAG)

    async def _tagged(self, name: str, value: str) -> tuple[CloudNode, ...]:
        found: list[CloudNode] = []
        for region in self._regions:
            with understood(PROVIDER, f"instances of {region}"):
                found += [parse.node(region, row) for row in await self._api.instances(region, name, value)]
        return tuple(found)

    async def terminate(self, node: CloudNode) -> None:
        """Return it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._api.change("TerminateInstances", node.region, {"InstanceIds": [node.provider_node_id]})


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    name = settings.options.get("site", "international")
    if name not in SITES:
        raise InvalidInputError("options.site", name, "no such site", f"Write one of: {', '.join(SITES)}.")
    site, auth = SITES[name], TencentAuth(environ, clock)
    http = http_of(settings, ERRORS, site.endpoint, pace, per_s=20, burst=20, auth=lambda: auth, opened=opened)
    currency = None if site.currency == "USD" else rate(site.currency, settings.options)
    adapter = TencentProvider(settings, TencentApi(http), currency, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.BUCKET,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=300,
    )
    return Provider(settings.name, settings.account, "Tencent Cloud", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
