"""Azure behind the provider ports: joins transport, parser and launch orders."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from providers.azure import parse
from providers.azure.launch import TOKEN_TAG, machine_name, node_of, order
from providers.azure.parse import Size, Stamp
from providers.azure.transport import AzureApi, RetailPrices
from providers.proofs import proof_of
from providers.rest import by_scope, carrying, launched, understood
from scheduler.domain.errors import InvalidInputError, NotFoundError
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


class AzureProvider:
    """One Azure subscription."""

    def __init__(self, settings: ProviderSettings, api: AzureApi, retail: RetailPrices, clock: Clock) -> None:
        self._settings, self._api, self._retail, self._clock = settings, api, retail, clock
        self._sizes: dict[str, dict[str, Size]] = {}

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region. A region that fails is reported and the walk goes on; bad credentials end it."""
        async for page in by_scope(self._settings.regions, self._read_region):
            yield page

    async def _read_region(self, region: str) -> OfferPage:
        stamp = Stamp(self._settings.account, region, self._clock())
        sizes, bad = parse.sizes(await self._api.skus(region, parse.sells_gpus), region)
        self._sizes[region] = sizes
        priced, bad_prices = parse.prices(await self._retail.in_region(region), region, sizes)
        return OfferPage(region, tuple(parse.offers(stamp, sizes, priced)), (*bad, *bad_prices), complete=True)

    async def read_limits(self) -> Limits:
        """Core quotas of every region; what headrace itself runs is not counted as used."""
        quotas: list[Quota] = []
        machines = await self._api.machines()
        for region in self._settings.regions:
            stamp = Stamp(self._settings.account, region, self._clock())
            sizes = self._sizes.get(region) or parse.sizes(await self._api.skus(region, parse.sells_gpus), region)[0]
            usage = await self._api.usage(region)
            with understood(parse.PROVIDER, f"limits of {region}"):
                own = _own_cores(machines, region, sizes)
                quotas += parse.quotas(stamp, usage, [size.kind.quota_family for size in sizes.values()], own)
        return Limits(tuple(quotas))

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one virtual machine, once. Idempotent by name. Raises the ProviderError family, InvalidInputError."""
        body, group = order(request, self._settings.options), self._group()
        made = await self._api.create(group, machine_name(request.launch_token), body)
        with launched(parse.PROVIDER):
            return node_of(made)

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Machines tagged with the token."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine that carries our tag."""
        machines = await self._api.machines()
        with understood(parse.PROVIDER, "virtual machines"):
            return tuple(node_of(machine) for machine in machines if (machine.get("tags") or {}).get(TOKEN_TAG))

    async def terminate(self, node: CloudNode) -> None:
        """Delete it, with disk and network interface; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._api.delete(self._group(), node.provider_node_id)

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
    """The provider. Options: ``subscription`` (or AZURE_SUBSCRIPTION_ID), ``resource_group``, ``retail_endpoint``,
    ``timeout_s`` and those of ``providers.azure.launch.order``.

    Raises:
        InvalidInputError: no subscription, or no region: reading all of Azure takes an hour.
    """
    subscription = settings.options.get("subscription") or environ.get("AZURE_SUBSCRIPTION_ID", "")
    if not subscription:
        raise InvalidInputError("options.subscription", subscription, "missing", "Set it, or AZURE_SUBSCRIPTION_ID.")
    if not settings.regions:
        raise InvalidInputError("regions", settings.regions, "missing", "Name the Azure regions to read, such as eastus.")
    api, retail = AzureApi(subscription, settings, environ, pace), RetailPrices(settings, pace)
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
    return Provider(
        settings.name, settings.account, "Microsoft Azure", abilities, adapter, adapter, adapter, proof=proof_of(parse.PROVIDER)
    )
