"""OCI behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from providers.oci import parse
from providers.oci.errors import ERRORS, PROVIDER
from providers.oci.launch import order
from providers.oci.transport import Credentials, OciApi, OciAuth
from providers.proofs import proof_of
from providers.rest import by_scope, carrying, http_of, sifted, understood
from scheduler.domain.errors import NotFoundError
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

ENDPOINT = "https://iaas.{region}.oraclecloud.com"
PRICE_ENDPOINT = "https://www.oracle.com/a/ocom/docs/cloudestimator2/data"
REPORT_SHAPES_MAX = 10


class OciProvider:
    """One OCI tenancy."""

    def __init__(self, settings: ProviderSettings, api: OciApi, clock: Clock) -> None:
        self._settings, self._api, self._clock = settings, api, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region; prices hold for all of them."""
        await self._api.account()
        shapes, products = await self._api.price_files()
        with understood(PROVIDER, "the price list"):
            prices = parse.price_list(shapes, products)
        async for page in by_scope(await self._regions(), lambda region: self._read_region(region, prices)):
            yield page

    async def _read_region(self, region: str, prices: Mapping[str, parse.ListPrice]) -> OfferPage:
        reading = parse.Reading(self._settings.account, region, self._clock(), prices)
        found: list[tuple[str, Mapping[str, Any]]] = []
        stock: dict[tuple[str, str], Mapping[str, Any]] = {}
        for domain in await self._api.domains(region):
            with understood(PROVIDER, f"shapes of {domain}"):
                params = {"compartmentId": await self._compartment(), "availabilityDomain": domain}
                machines = {str(row["shape"]): row for row in await self._api.listed(region, "/shapes", params) if row.get("gpus")}
                found += [(domain, row) for row in machines.values()]
                names = sorted(machines)
                for first in range(0, len(names), REPORT_SHAPES_MAX):
                    report = await self._api.capacity(region, domain, names[first : first + REPORT_SHAPES_MAX])
                    stock |= {(domain, str(row["instanceShape"])): row for row in report}
        offers, bad = sifted(
            region,
            found,
            lambda pair: f"{pair[1]['shape']} in {pair[0]}",
            lambda pair: parse.offers(reading, pair[0], pair[1], stock.get((pair[0], str(pair[1]["shape"])))),
        )
        return OfferPage(region, tuple(offers), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Launch one instance, once. Idempotent by retry token. Raises the ProviderError family, InvalidInputError."""
        region = request.offer.region
        body = order(request, self._settings.options, await self._compartment())
        made = await self._api.launch(region, body, request.launch_token)
        with understood(PROVIDER, "the answer to a launch"):
            return parse.node(region, made)

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances tagged with the token in any of our regions; OCI lists terminated ones for a while."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance of the compartment that carries our tag."""
        params = {"compartmentId": await self._compartment()}
        found: list[CloudNode] = []
        for region in await self._regions():
            with understood(PROVIDER, f"instances of {region}"):
                found += [parse.node(region, row) for row in await self._api.listed(region, "/instances", params)]
        return tuple(node for node in found if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Terminate it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._api.terminate(node.region, node.provider_node_id)

    async def _regions(self) -> Sequence[str]:
        return self._settings.regions or await self._api.regions()

    async def _compartment(self) -> str:
        return self._settings.options.get("compartment") or (await self._api.account()).tenancy


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    credentials = Credentials(settings.options, environ)
    auth = OciAuth(credentials, clock)
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=5, burst=10, auth=lambda: auth)
    price_settings = replace(settings, endpoint=settings.options.get("price_endpoint", PRICE_ENDPOINT))
    prices = http_of(price_settings, ERRORS, PRICE_ENDPOINT, pace, per_s=5, burst=10)
    adapter = OciProvider(settings, OciApi(credentials, http, prices, settings.endpoint), clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.COUNT,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=900,
    )
    title = "Oracle Cloud Infrastructure"
    return Provider(settings.name, settings.account, title, abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
