"""AWS behind the provider ports: joins transport, parser and launch orders; runs blocking calls in threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from providers.aws import parse
from providers.aws.launch import TOKEN_TAG, node_of, order
from providers.aws.parse import Stamp
from providers.aws.transport import AwsApi
from providers.http import checked_endpoint
from scheduler.domain.errors import AuthError, NotFoundError, ProviderDataError, ProviderError
from scheduler.domain.offer import Quota, Reservation
from scheduler.domain.ports import (
    Capabilities,
    Clock,
    CloudNode,
    JoinMethod,
    LaunchRequest,
    Limits,
    OfferPage,
    Provider,
    ProviderSettings,
)


class AwsProvider:
    """One AWS account."""

    def __init__(self, settings: ProviderSettings, api: AwsApi, clock: Clock) -> None:
        self._settings, self._api, self._clock = settings, api, clock
        self._on_demand: dict[str, dict[str, int]] = {}

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region. A region that fails is reported and the walk goes on; bad credentials end it."""
        for region in await self._regions():
            try:
                yield await asyncio.to_thread(self._read_region, region)
            except AuthError:
                raise
            except ProviderError as error:
                yield OfferPage(region, error=str(error))

    def _read_region(self, region: str) -> OfferPage:
        stamp = Stamp(self._settings.account, region, self._clock())
        types, bad = parse.instance_types(self._api.instance_types(region), region)
        names = sorted(types)
        if not names:
            return OfferPage(region, quarantined=tuple(bad), complete=True)
        zones = [(str(row["InstanceType"]), str(row["Location"])) for row in self._api.offerings(region, names)]
        prices, bad_prices = parse.on_demand_prices(self._api.price_list(region), region)
        self._on_demand[region] = prices
        spot, bad_spot = parse.spot_offers(stamp, types, self._api.spot_prices(region, names, stamp.now))
        offers = (*parse.on_demand_offers(stamp, types, prices, zones), *spot)
        return OfferPage(region, offers, (*bad, *bad_prices, *bad_spot), complete=True)

    async def read_limits(self) -> Limits:
        """vCPU quotas and capacity reservations of every region."""
        quotas: list[Quota] = []
        reservations: list[Reservation] = []
        for region in await self._regions():
            stamp = Stamp(self._settings.account, region, self._clock())
            try:
                quotas += parse.quotas(stamp, await asyncio.to_thread(self._api.quotas, region))
                held = await asyncio.to_thread(self._api.reservations, region)
                reservations += parse.reservations(stamp, held, self._on_demand.get(region, {}))
            except (KeyError, TypeError, ValueError) as error:
                raise ProviderDataError(parse.PROVIDER, f"limits of {region}: {error!r}") from error
        return Limits(tuple(quotas), tuple(reservations))

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Launch one instance, once. Idempotent by client token. Raises the ProviderError family, InvalidInputError."""
        arguments = order(request, self._settings.options)
        region = request.offer.region
        return node_of(await asyncio.to_thread(self._api.run_instance, region, arguments), region)

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances tagged with the token in any of our regions; AWS lists terminated ones for about an hour."""
        return await self._tagged({"Name": f"tag:{TOKEN_TAG}", "Values": [launch_token]})

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance that carries our tag."""
        return await self._tagged({"Name": "tag-key", "Values": [TOKEN_TAG]})

    async def terminate(self, node: CloudNode) -> None:
        """Terminate it; one that is gone is no error."""
        try:
            await asyncio.to_thread(self._api.terminate, node.region, node.provider_node_id)
        except NotFoundError:
            return

    async def _tagged(self, wanted: dict[str, object]) -> tuple[CloudNode, ...]:
        found: list[CloudNode] = []
        for region in await self._regions():
            rows = await asyncio.to_thread(self._api.instances, region, [wanted])
            found += [node_of(row, region) for row in rows]
        return tuple(found)

    async def _regions(self) -> Sequence[str]:
        return self._settings.regions or await asyncio.to_thread(self._api.regions)


def build(settings: ProviderSettings, clock: Clock) -> Provider:
    """The provider. Options: ``profile`` and those of ``providers.aws.launch.order``."""
    endpoint = checked_endpoint("endpoint", settings.endpoint) if settings.endpoint else ""
    adapter = AwsProvider(settings, AwsApi(endpoint, settings.options.get("profile", "")), clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        quotas=True,
        reservations=True,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.USER_DATA,
        notice_s=parse.NOTICE_S,
        freshness_target_s=900,
    )
    return Provider(settings.name, settings.account, "Amazon Web Services", abilities, adapter, adapter, adapter)
