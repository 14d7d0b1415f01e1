"""Google Cloud behind the provider ports: joins transport, parser and launch orders; runs blocking calls in threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.gcp import parse
from providers.gcp.launch import TOKEN_LABEL, instance_name, label, node_of, order, request_id
from providers.gcp.parse import Catalogue, Stamp
from providers.gcp.transport import BILLING_ENDPOINT, BillingCatalogue, GcpApi
from providers.http import checked_endpoint
from scheduler.domain.errors import AuthError, NotFoundError, ProviderDataError, StockoutError
from scheduler.domain.offer import Quota
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

Row = Mapping[str, Any]


class GcpProvider:
    """One Google Cloud project."""

    def __init__(self, settings: ProviderSettings, api: GcpApi, billing: BillingCatalogue, clock: Clock) -> None:
        self._settings, self._api, self._billing, self._clock = settings, api, billing, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region. Types and prices are global reads here: where one fails, the whole walk does."""
        rows = await asyncio.to_thread(self._api.machine_types)
        catalogue = Catalogue(await self._billing.skus())
        found = {parse.region_of(str(row.get("zone", "")).rsplit("/", 1)[-1]) for row in rows if row.get("accelerators")}
        bad_prices = tuple(catalogue.quarantined)
        for region in self._settings.regions or sorted(found):
            stamp = Stamp(self._settings.account, region, self._clock())
            machines, bad = parse.machine_types(rows, region)
            yield OfferPage(region, tuple(parse.offers(stamp, machines, catalogue)), (*bad, *bad_prices), complete=True)
            bad_prices = ()

    async def read_limits(self) -> Limits:
        """GPU quotas of every region; what headrace itself runs is not counted as used."""
        own = await asyncio.to_thread(self._api.instances, f"labels.{TOKEN_LABEL}:*")
        rows = await asyncio.to_thread(self._api.machine_types)
        quotas: list[Quota] = []
        for region, limits in sorted((await asyncio.to_thread(self._api.region_quotas)).items()):
            if self._settings.regions and region not in self._settings.regions:
                continue
            stamp = Stamp(self._settings.account, region, self._clock())
            try:
                used = _own_gpus(own, parse.machine_types(rows, region)[0])
                quotas += parse.quotas(stamp, limits, used)
            except (KeyError, TypeError, ValueError) as error:
                raise ProviderDataError(parse.PROVIDER, f"limits of {region}: {error!r}") from error
        return Limits(tuple(quotas))

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Insert one instance, once. Idempotent by request id and name. Raises the ProviderError family, InvalidInputError."""
        instance = order(request, self._settings.options)
        zone = request.offer.zone
        try:
            return node_of(await asyncio.to_thread(self._api.insert, zone, instance, request_id(request.launch_token)))
        except StockoutError:
            # Google removes what it could not place, but a half-made instance would block its name.
            with contextlib.suppress(NotFoundError):
                await asyncio.to_thread(self._api.delete, zone, instance_name(request.launch_token))
            raise

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances labelled with the token; the full token stands in the metadata."""
        rows = await asyncio.to_thread(self._api.instances, f"labels.{TOKEN_LABEL}={label(launch_token)}")
        return tuple(node for node in map(node_of, rows) if node.launch_token == launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance that carries our label."""
        return tuple(node_of(row) for row in await asyncio.to_thread(self._api.instances, f"labels.{TOKEN_LABEL}:*"))

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await asyncio.to_thread(self._api.delete, node.zone, node.provider_node_id)


def _own_gpus(own: Sequence[Row], machines: Sequence[parse.MachineType]) -> dict[str, int]:
    """GPUs of our own instances, by quota metric."""
    known = {(machine.zone, machine.kind.name): machine.kind for machine in machines}
    gpus: Counter[str] = Counter()
    for row in own:
        kind = known.get((node_of(row).zone, str(row.get("machineType", "")).rsplit("/", 1)[-1]))
        if kind is not None:
            spot = (row.get("scheduling") or {}).get("provisioningModel") == "SPOT"
            gpus[f"PREEMPTIBLE_{kind.quota_family}" if spot else kind.quota_family] += kind.accelerator_count
    return dict(gpus)


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: ``project`` (or the credentials'), ``api_key_env`` (the variable that holds the billing catalogue's
    key, GOOGLE_API_KEY by default), ``billing_endpoint`` and those of ``providers.gcp.launch.order``.
    """
    endpoint = checked_endpoint("endpoint", settings.endpoint) if settings.endpoint else ""
    api = GcpApi(settings.options.get("project", ""), endpoint)
    return assemble(settings, api, billing_of(settings, environ, pace), clock)


def billing_of(settings: ProviderSettings, environ: Mapping[str, str], pace: Pace | None = None) -> BillingCatalogue:
    """The billing catalogue with its key, which is looked up when it is needed."""
    variable = settings.options.get("api_key_env", "GOOGLE_API_KEY")

    def api_key() -> str:
        key = environ.get(variable, "")
        if not key:
            raise AuthError(parse.PROVIDER, f"the billing catalogue wants an API key: set {variable}")
        return key

    return BillingCatalogue(api_key, settings.options.get("billing_endpoint", BILLING_ENDPOINT), pace)


def assemble(settings: ProviderSettings, api: GcpApi, billing: BillingCatalogue, clock: Clock) -> Provider:
    """The provider on a given transport."""
    adapter = GcpProvider(settings, api, billing, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        quotas=True,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.USER_DATA,
        notice_s=parse.NOTICE_S,
        freshness_target_s=3600,
    )
    return Provider(settings.name, settings.account, "Google Cloud", abilities, adapter, adapter, adapter)
