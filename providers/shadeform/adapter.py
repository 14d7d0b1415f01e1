"""Shadeform behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from providers.http import JsonHttp
from providers.normalise import cloud_kind
from providers.proofs import proof_of
from providers.rest import carrying, http_of, key_of, needed, rows, sifted
from providers.shadeform import parse
from providers.shadeform.errors import ERRORS, PROVIDER
from scheduler.domain.errors import NotFoundError, ProviderDataError, StockoutError
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

ENDPOINT = "https://api.shadeform.ai/v1"
SCOPE = "all"


class ShadeformProvider:
    """One Shadeform account."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: Shadeform tells all clouds in one answer."""
        found = rows(PROVIDER, await self._http.read("/instances/types"), "instance_types")
        stamp = parse.Stamp(self._settings.account, self._clock())
        offers, bad = sifted(SCOPE, found, parse.name, lambda row: parse.offers(stamp, row))
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(SCOPE, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one instance, once. Raises the ProviderError family, InvalidInputError."""
        image = needed(self._settings.options, "image", "Name a container image with headrace and without an entry point.")
        order = parse.order(request, await self._cloud(request), image)
        made = await self._http.once("POST", "/instances/create", body=order)
        if not isinstance(made, Mapping) or not made.get("id"):
            raise ProviderDataError(PROVIDER, "the answer to a launch names no instance")
        return CloudNode(str(made["id"]), request.launch_token, True, request.offer.region, request.offer.zone, state="creating")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances with that name."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance of the account that has a name; the caller knows which names are ours."""
        found = map(parse.node, rows(PROVIDER, await self._http.read("/instances"), "instances"))
        return tuple(node for node in found if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("POST", f"/instances/{node.provider_node_id}/delete")

    async def _cloud(self, request: LaunchRequest) -> str:
        """Shadeform's own name of the offer's cloud, read anew. Raises StockoutError where it no longer sells this there."""
        offer = request.offer
        body = await self._http.read("/instances/types", {"shade_instance_type": offer.instance_type.name})
        for row in rows(PROVIDER, body, "instance_types"):
            places = {place.get("region") for place in row.get("availability") or ()}
            same = row.get("shade_instance_type") == offer.instance_type.name and offer.region in places
            if same and cloud_kind(str(row["cloud"])) == offer.provider:
                return str(row["cloud"])
        raise StockoutError(PROVIDER, f"{offer.provider} no longer sells {offer.instance_type.name} in {offer.region}")


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "SHADEFORM_API_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=1, burst=5, headers=lambda: {"X-API-KEY": key()})
    adapter = ShadeformProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.BOOLEAN,
        launches=True,
        join=JoinMethod.CONTAINER,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "Shadeform", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
