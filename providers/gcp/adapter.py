"""Google Cloud behind the provider ports: joins transport, parser and launch orders."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.gcp import parse
from providers.gcp.launch import TOKEN_LABEL, instance_name, label, node_of, order, request_id
from providers.gcp.parse import Catalogue, Stamp
from providers.gcp.transport import BillingCatalogue, GcpApi
from providers.proofs import proof_of
from providers.rest import SCOPES_AT_ONCE, carrying, understood
from scheduler.domain.errors import NotFoundError, ProviderDataError, ProviderError, StockoutError
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

Row = Mapping[str, Any]
ALREADY_EXISTS = "alreadyExists"


class GcpProvider:
    """One Google Cloud project."""

    def __init__(self, settings: ProviderSettings, api: GcpApi, billing: BillingCatalogue, clock: Clock) -> None:
        self._settings, self._api, self._billing, self._clock = settings, api, billing, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region. Types and prices are global reads here: where one fails, the whole walk does.

        A region with a zone that Google could not ask is told as broken: its types are not gone.
        """
        rows, silent = await self._api.machine_types()
        catalogue = Catalogue(await self._billing.skus())
        broken = {parse.region_of(zone): f"{zone}: {why}" for zone, why in silent.items()}
        found = {parse.region_of(parse.last(row.get("zone"))) for row in rows if row.get("accelerators")} | set(broken)
        bad_prices = tuple(catalogue.quarantined)
        for region in self._settings.regions or sorted(found):
            if region in broken:
                yield OfferPage(region, error=broken[region])
                continue
            stamp = Stamp(self._settings.account, region, self._clock())
            machines, bad = parse.machine_types(rows, region)
            offers, dear = parse.offers(stamp, machines, catalogue, await self._scores(region, machines))
            yield OfferPage(region, tuple(offers), (*bad, *dear, *bad_prices), complete=True)
            bad_prices = ()

    async def _scores(self, region: str, machines: Sequence[parse.MachineType]) -> dict[tuple[str, str], float]:
        """Obtainability of the region's spot machines. Advice that is refused or does not come leaves stock unknown, and offers whole."""
        gate = asyncio.Semaphore(SCOPES_AT_ONCE)

        async def of(name: str) -> dict[tuple[str, str], float]:
            async with gate:
                with contextlib.suppress(ProviderError), understood(parse.PROVIDER, f"advice on {name} in {region}"):
                    return parse.obtainability(await self._api.spot_advice(region, name))
            return {}

        told = await asyncio.gather(*(of(name) for name in sorted({machine.kind.name for machine in machines})))
        return {key: score for scores in told for key, score in scores.items()}

    async def read_limits(self) -> Limits:
        """GPU quotas of every region; what headrace itself runs is not counted as used."""
        own = await self._api.instances(f"labels.{TOKEN_LABEL}:*")
        rows, _ = await self._api.machine_types()
        quotas: list[Quota] = []
        for region, limits in sorted((await self._api.region_quotas()).items()):
            if self._settings.regions and region not in self._settings.regions:
                continue
            stamp = Stamp(self._settings.account, region, self._clock())
            with understood(parse.PROVIDER, f"limits of {region}"):
                used = _own_gpus(own, parse.machine_types(rows, region)[0])
                quotas += parse.quotas(stamp, limits, used)
        return Limits(tuple(quotas))

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Insert one instance, once. Idempotent by request id and name. Raises the ProviderError family, InvalidInputError."""
        instance, name, offer = order(request, self._settings.options), instance_name(request.launch_token), request.offer
        try:
            await self._api.insert(offer.zone, instance, request_id(request.launch_token))
        except StockoutError:
            # Google removes what it could not place, but a half-made instance would block its name.
            with contextlib.suppress(ProviderError):
                await self._api.delete(offer.zone, name)
            raise
        except ProviderDataError as error:
            # Google forgets request ids after an hour; the name, a function of the token, stays.
            if error.code != ALREADY_EXISTS:
                raise
        node = CloudNode(name, request.launch_token, True, offer.region, offer.zone, state="inserted")
        with contextlib.suppress(ProviderError), understood(parse.PROVIDER, "instance"):
            node = node_of(await self._api.get(offer.zone, name))
        return node

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances labelled with the token; the full token stands in the metadata."""
        return carrying(await self._labelled(f"={label(launch_token)}"), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance that carries our label."""
        return await self._labelled(":*")

    async def _labelled(self, wanted: str) -> tuple[CloudNode, ...]:
        listed = await self._api.instances(f"labels.{TOKEN_LABEL}{wanted}")
        with understood(parse.PROVIDER, "instances"):
            return tuple(map(node_of, listed))

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._api.delete(node.zone, node.provider_node_id)


def _own_gpus(own: Sequence[Row], machines: Sequence[parse.MachineType]) -> dict[str, int]:
    """GPUs of our own instances, by quota metric."""
    known = {(machine.zone, machine.kind.name): machine.kind for machine in machines}
    gpus: Counter[str] = Counter()
    for row in own:
        kind = known.get((node_of(row).zone, parse.last(row.get("machineType"))))
        if kind is not None:
            spot = (row.get("scheduling") or {}).get("provisioningModel") == "SPOT"
            gpus[f"PREEMPTIBLE_{kind.quota_family}" if spot else kind.quota_family] += kind.accelerator_count
    return dict(gpus)


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: ``project`` (or the credentials'), ``api_key_env`` (the variable that holds the billing catalogue's
    key, GOOGLE_API_KEY by default), ``billing_endpoint``, ``timeout_s`` and those of ``providers.gcp.launch.order``.
    """
    api, billing = GcpApi(settings, environ, pace), BillingCatalogue(settings, environ, pace)
    adapter = GcpProvider(settings, api, billing, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.SCORE,
        quotas=True,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.USER_DATA,
        notice_s=parse.NOTICE_S,
        freshness_target_s=3600,
    )
    return Provider(settings.name, settings.account, "Google Cloud", abilities, adapter, adapter, adapter, proof=proof_of(parse.PROVIDER))
