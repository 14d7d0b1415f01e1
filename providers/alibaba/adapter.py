"""Alibaba Cloud behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from providers.alibaba import parse
from providers.alibaba.errors import ERRORS, PROVIDER, told
from providers.alibaba.launch import order, tagged
from providers.alibaba.transport import AlibabaApi, AlibabaAuth
from providers.currency import Rate, rate
from providers.proofs import proof_of
from providers.rest import budget_of, by_scope, carrying, http_of, launched, sifted, understood
from scheduler.domain.errors import NotFoundError
from scheduler.domain.offer import AvailabilityKind, CapacityType
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

ENDPOINT = "https://ecs.{region}.aliyuncs.com"
Prices = dict[tuple[CapacityType, str, str], parse.Money]


class AlibabaProvider:
    """One Alibaba Cloud account."""

    def __init__(self, settings: ProviderSettings, api: AlibabaApi, yuan: Rate, clock: Clock) -> None:
        self._settings, self._api, self._yuan, self._clock = settings, api, yuan, clock
        self._launches = budget_of(settings, "launch", per_s=2, burst=2)

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region; what the types are holds for all of them."""
        with understood(PROVIDER, "instance types"):
            types = {str(row["InstanceTypeId"]): row for row in await self._api.types()}
        async for page in by_scope(await self._regions(), lambda region: self._read_region(region, types)):
            yield page

    async def _read_region(self, region: str, types: Mapping[str, Mapping[str, Any]]) -> OfferPage:
        found: list[parse.Sold] = []
        for capacity, strategy in parse.STRATEGIES.items():
            zones = await self._api.zones(region, strategy)
            with understood(PROVIDER, f"stock of {region}"):
                found += parse.sold(capacity, zones, types)
        reading = parse.Reading(self._settings.account, region, self._clock(), self._yuan, types, await self._prices(region, found))
        offers, bad = sifted(region, found, lambda row: f"{row.name} in {row.zone}", lambda row: parse.offers(reading, row))
        return OfferPage(region, tuple(offers), tuple(bad), complete=True)

    async def _prices(self, region: str, found: Iterable[parse.Sold]) -> Prices:
        """Prices of what is sold. A type of which Alibaba has no price is left out."""
        prices: Prices = {}
        for capacity, name in sorted({(row.capacity, row.name) for row in found}):
            with contextlib.suppress(NotFoundError), understood(PROVIDER, f"the price of {name}"):
                if capacity is CapacityType.SPOT:
                    by_zone = parse.spot_prices(*await self._api.spot_prices(region, name))
                    prices |= {(capacity, zone, name): money for zone, money in by_zone.items()}
                else:
                    prices[capacity, "", name] = parse.on_demand_price(await self._api.price(region, name))
        return prices

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Order one instance, once. Idempotent by client token. Raises the ProviderError family, InvalidInputError."""
        offer = request.offer
        made = await self._api.change("RunInstances", offer.region, order(request, self._settings.options), self._launches)
        with launched(PROVIDER):
            (instance,) = made["InstanceIdSets"]["InstanceIdSet"]
        return CloudNode(str(instance), request.launch_token, True, offer.region, offer.zone, state="Pending")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances tagged with the token, in any of our regions."""
        return carrying(await self._tagged(tagged(launch_token)), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance that carries our tag."""
        return await self._tagged(tagged())

    async def _tagged(self, tag: Mapping[str, str]) -> tuple[CloudNode, ...]:
        found: list[CloudNode] = []
        for region in await self._regions():
            with understood(PROVIDER, f"instances of {region}"):
                found += [parse.node(region, row) for row in await self._api.instances(region, tag)]
        return tuple(found)

    async def terminate(self, node: CloudNode) -> None:
        """Release it, running or not; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._api.change("DeleteInstance", node.region, {"InstanceId": node.provider_node_id, "Force": "true"})

    async def _regions(self) -> Sequence[str]:
        with understood(PROVIDER, "regions"):
            return self._settings.regions or await self._api.regions()


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    auth = AlibabaAuth(environ, clock)
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=8, burst=8, auth=lambda: auth, told=told)
    api = AlibabaApi(http, settings.endpoint or ENDPOINT)
    adapter = AlibabaProvider(settings, api, rate("CNY", settings.options), clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.BUCKET,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=1800,
    )
    return Provider(settings.name, settings.account, "Alibaba Cloud", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
