"""AWS behind the provider ports: joins transport, parser and launch orders."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from providers.aws import parse
from providers.aws.launch import TOKEN_TAG, node_of, order
from providers.aws.notices import AwsNotices
from providers.aws.parse import Stamp
from providers.aws.pricefile import PriceFiles
from providers.aws.transport import AwsApi
from providers.pricelist import bundled_price_list
from providers.proofs import proof_of
from providers.rest import by_scope, launched, understood
from scheduler.domain.errors import AuthError, InvalidInputError, NotFoundError
from scheduler.domain.offer import InstanceType, Quota, Reservation
from scheduler.domain.ports import (
    Capabilities,
    Clock,
    CloudNode,
    JoinMethod,
    LaunchRequest,
    Limits,
    OfferPage,
    Pace,
    Provider,
    ProviderSettings,
    Quarantined,
)

PRICES = ("api", "file", "keyless")
"""Where on-demand prices come from: ``pricing.GetProducts``, the public files, or these alone, without any credentials."""
FORBIDDEN = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


class AwsProvider:
    """One AWS account."""

    def __init__(self, settings: ProviderSettings, api: AwsApi, files: PriceFiles, clock: Clock) -> None:
        self._settings, self._api, self._files, self._clock = settings, api, files, clock
        self._on_demand: dict[str, dict[str, int]] = {}

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region. A region that fails is reported and the walk goes on; bad credentials end it."""
        async for page in by_scope(await self._regions(), self._read_region):
            yield page

    async def _read_region(self, region: str) -> OfferPage:
        stamp = Stamp(self._settings.account, region, self._clock())
        types, bad = parse.instance_types(await self._api.instance_types(region), region)
        names = sorted(types)
        if not names:
            return OfferPage(region, quarantined=tuple(bad), complete=True)
        offered = await self._api.offerings(region, names)
        with understood(parse.PROVIDER, f"offerings of {region}"):
            zones = [(str(row["InstanceType"]), str(row["Location"])) for row in offered]
        prices, bad_prices, lost = await self._list_prices(region, types)
        self._on_demand[region] = prices
        spot, bad_spot = parse.spot_offers(stamp, types, await self._api.spot_prices(region, names, stamp.now))
        offers = (*parse.on_demand_offers(stamp, types, prices, zones), *spot)
        return OfferPage(region, offers, (*bad, *bad_prices, *bad_spot), complete=not lost, error=lost)

    async def _list_prices(self, region: str, types: Mapping[str, InstanceType]) -> tuple[dict[str, int], list[Quarantined], str]:
        """On-demand prices, distrusted rows, and why the reading broke off. Who may not ask for products reads the file."""
        if self._settings.options.get("prices", "api") == "api":
            try:
                return *parse.on_demand_prices(await self._api.price_list(region), types, region), ""
            except AuthError as error:
                if error.code not in FORBIDDEN:
                    raise
        file = await self._files.of(region)
        return *file.prices(types), file.error

    async def read_limits(self) -> Limits:
        """vCPU quotas and capacity reservations of every region."""
        quotas: list[Quota] = []
        reservations: list[Reservation] = []
        for region in await self._regions():
            stamp = Stamp(self._settings.account, region, self._clock())
            limits, held = await self._api.quotas(region), await self._api.reservations(region)
            with understood(parse.PROVIDER, f"limits of {region}"):
                quotas += parse.quotas(stamp, limits)
                reservations += parse.reservations(stamp, held, self._on_demand.get(region, {}))
        return Limits(tuple(quotas), tuple(reservations))

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Launch one instance, once. Idempotent by client token. Raises the ProviderError family, InvalidInputError."""
        region = request.offer.region
        made = await self._api.run_instance(region, order(request, self._settings.options))
        with launched(parse.PROVIDER):
            return node_of(made, region)

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances tagged with the token in any of our regions; AWS lists terminated ones for about an hour."""
        return await self._tagged({"Name": f"tag:{TOKEN_TAG}", "Values": [launch_token]})

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance that carries our tag."""
        return await self._tagged({"Name": "tag-key", "Values": [TOKEN_TAG]})

    async def terminate(self, node: CloudNode) -> None:
        """Terminate it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._api.terminate(node.region, node.provider_node_id)

    async def _tagged(self, wanted: dict[str, object]) -> tuple[CloudNode, ...]:
        found: list[CloudNode] = []
        for region in await self._regions():
            listed = await self._api.instances(region, [wanted])
            with understood(parse.PROVIDER, f"instances in {region}"):
                found += [node_of(row, region) for row in listed]
        return tuple(found)

    async def _regions(self) -> Sequence[str]:
        return self._settings.regions or await self._api.regions()


class AwsPriceLists:
    """The public price files alone, for those who have no account yet: on demand, by region, stock unknown."""

    def __init__(self, settings: ProviderSettings, files: PriceFiles, clock: Clock) -> None:
        self._settings, self._files, self._clock = settings, files, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region. The files name no accelerator: types come from the bundled price list, others are told as problems."""
        async for page in by_scope(self._settings.regions, self._read_region):
            yield page

    async def _read_region(self, region: str) -> OfferPage:
        types = parse.listed_types(bundled_price_list().rows)
        file = await self._files.of(region)
        prices, bad = file.prices(types)
        bad += parse.unknown_types(region, file.usd_per_h.keys() - types.keys())
        stamp = Stamp(self._settings.account, region, self._clock())
        offers = parse.on_demand_offers(stamp, types, prices, [(name, region) for name in prices])
        return OfferPage(region, tuple(offers), tuple(bad), complete=not file.error, error=file.error)


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: ``prices``, ``price_endpoint``, ``profile``, ``notice_queue_url``, ``timeout_s`` and those of
    ``providers.aws.launch.order``.

    Raises:
        InvalidInputError: ``prices`` is none of ``PRICES``, or keyless prices are wanted without saying of which regions.
    """
    wanted, files, title = settings.options.get("prices", "api"), PriceFiles(settings, pace), "Amazon Web Services"
    if wanted not in PRICES:
        raise InvalidInputError("options.prices", wanted, "unknown", f"Use one of: {', '.join(PRICES)}.")
    if wanted == "keyless":
        if not settings.regions:
            raise InvalidInputError("regions", settings.regions, "missing", "Name the regions to read; each has a file of some hundred MB.")
        lists = AwsPriceLists(settings, files, clock)
        return Provider(settings.name, settings.account, title, Capabilities(on_demand_prices=True), lists, proof=proof_of(parse.PROVIDER))
    api = AwsApi(settings, environ, clock, pace)
    adapter = AwsProvider(settings, api, files, clock)
    queue_url = settings.options.get("notice_queue_url", "")
    notices = AwsNotices(queue_url, api) if queue_url else None
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        quotas=True,
        reservations=True,
        launches=True,
        idempotent_launch=True,
        notices=notices is not None,
        join=JoinMethod.USER_DATA,
        notice_s=parse.NOTICE_S,
        freshness_target_s=900,
    )
    proof = proof_of(parse.PROVIDER)
    return Provider(settings.name, settings.account, title, abilities, adapter, adapter, adapter, notices, proof)
