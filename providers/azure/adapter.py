"""Azure behind the provider ports: joins transport, parser and launch orders; runs blocking calls in threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from providers.azure import parse
from providers.azure.launch import TOKEN_TAG, machine_name, node_of, order
from providers.azure.parse import Size, Stamp
from providers.azure.transport import RETAIL_ENDPOINT, AzureApi, RetailPrices
from providers.http import checked_endpoint
from scheduler.domain.errors import AuthError, InvalidInputError, NotFoundError, ProviderDataError, ProviderError, StockoutError
from scheduler.domain.offer import AvailabilityKind, Quota
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
)

CREATE_WAIT_S = 180.0


class AzureProvider:
    """One Azure subscription."""

    def __init__(self, settings: ProviderSettings, api: AzureApi, retail: RetailPrices, clock: Clock) -> None:
        self._settings, self._api, self._retail, self._clock = settings, api, retail, clock
        self._sizes: dict[str, dict[str, Size]] = {}

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region. A region that fails is reported and the walk goes on; bad credentials end it."""
        for region in self._settings.regions:
            try:
                yield await self._read_region(region)
            except AuthError:
                raise
            except ProviderError as error:
                yield OfferPage(region, error=str(error))

    async def _read_region(self, region: str) -> OfferPage:
        stamp = Stamp(self._settings.account, region, self._clock())
        sizes, bad = parse.sizes(await asyncio.to_thread(self._api.skus, region), region)
        self._sizes[region] = sizes
        priced, bad_prices = parse.prices(await self._retail.in_region(region), region, sizes)
        return OfferPage(region, tuple(parse.offers(stamp, sizes, priced)), (*bad, *bad_prices), complete=True)

    async def read_limits(self) -> Limits:
        """Core quotas of every region; what headrace itself runs is not counted as used."""
        quotas: list[Quota] = []
        machines = await asyncio.to_thread(self._api.machines)
        for region in self._settings.regions:
            stamp = Stamp(self._settings.account, region, self._clock())
            sizes = self._sizes.get(region) or parse.sizes(await asyncio.to_thread(self._api.skus, region), region)[0]
            usage = await asyncio.to_thread(self._api.usage, region)
            try:
                own = _own_cores(machines, region, sizes)
                quotas += parse.quotas(stamp, usage, [size.kind.quota_family for size in sizes.values()], own)
            except (KeyError, TypeError, ValueError) as error:
                raise ProviderDataError(parse.PROVIDER, f"limits of {region}: {error!r}") from error
        return Limits(tuple(quotas))

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one virtual machine, once. Idempotent by name. Raises the ProviderError family, InvalidInputError."""
        body, group = order(request, self._settings.options), self._group()
        name = machine_name(request.launch_token)
        try:
            return node_of(await asyncio.to_thread(self._api.create, group, name, body, CREATE_WAIT_S))
        except StockoutError:
            # A failed allocation leaves the machine behind, stopped but in the way.
            with contextlib.suppress(ProviderError):
                await asyncio.to_thread(self._api.delete, group, name)
            raise

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Machines tagged with the token."""
        return tuple(node for node in await self.list_nodes() if node.launch_token == launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine that carries our tag."""
        machines = await asyncio.to_thread(self._api.machines)
        return tuple(node_of(machine) for machine in machines if (machine.get("tags") or {}).get(TOKEN_TAG))

    async def terminate(self, node: CloudNode) -> None:
        """Delete it, with disk and network interface; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await asyncio.to_thread(self._api.delete, self._group(), node.provider_node_id)

    def _group(self) -> str:
        group = self._settings.options.get("resource_group", "")
        if not group:
            raise InvalidInputError("options.resource_group", group, "needed to launch", "Name the resource group for nodes.")
        return group


def _own_cores(machines: Sequence[Mapping[str, object]], region: str, sizes: Mapping[str, Size]) -> dict[str, int]:
    """vCPU of our own machines in a region, by quota name."""
    cores: Counter[str] = Counter()
    for machine in machines:
        tags, properties = machine.get("tags") or {}, machine.get("properties") or {}
        if not isinstance(tags, Mapping) or not isinstance(properties, Mapping):
            continue
        size = sizes.get(str((properties.get("hardwareProfile") or {}).get("vmSize", "")))
        if tags.get(TOKEN_TAG) and machine.get("location") == region and size is not None:
            spot = properties.get("priority") == "Spot"
            cores[parse.SPOT_QUOTA if spot else size.kind.quota_family] += size.kind.vcpus
    return dict(cores)


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: ``subscription`` (or AZURE_SUBSCRIPTION_ID), ``resource_group``, ``retail_endpoint`` and those of
    ``providers.azure.launch.order``.

    Raises:
        InvalidInputError: no subscription, or no region: reading all of Azure takes an hour.
    """
    subscription = settings.options.get("subscription") or environ.get("AZURE_SUBSCRIPTION_ID", "")
    if not subscription:
        raise InvalidInputError("options.subscription", subscription, "missing", "Set it, or AZURE_SUBSCRIPTION_ID.")
    if not settings.regions:
        raise InvalidInputError("regions", settings.regions, "missing", "Name the Azure regions to read, such as eastus.")
    endpoint = checked_endpoint("endpoint", settings.endpoint) if settings.endpoint else ""
    retail = RetailPrices(settings.options.get("retail_endpoint", RETAIL_ENDPOINT), pace)
    return assemble(settings, AzureApi(subscription, endpoint), retail, clock)


def assemble(settings: ProviderSettings, api: AzureApi, retail: RetailPrices, clock: Clock) -> Provider:
    """The provider on a given transport."""
    adapter = AzureProvider(settings, api, retail, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.BOOLEAN,
        quotas=True,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.USER_DATA,
        notice_s=parse.NOTICE_S,
        freshness_target_s=3600,
    )
    return Provider(settings.name, settings.account, "Microsoft Azure", abilities, adapter, adapter, adapter)
