"""Prime Intellect behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import JsonHttp
from providers.primeintellect import parse
from providers.primeintellect.errors import ERRORS, PROVIDER
from providers.proofs import proof_of
from providers.rest import carrying, http_of, key_of, needed, numbered, rows, sifted, walked
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

ENDPOINT = "https://api.primeintellect.ai/api/v1"
PAGE_SIZE = 100
SCOPE = "all"


class PrimeIntellectProvider:
    """One Prime Intellect account or team."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page of offers: all clouds and data centres come in one list."""
        found = await self._market({})
        stamp = parse.Stamp(self._settings.account, self._clock())
        offers, bad = sifted(SCOPE, found, parse.name, lambda row: parse.offers(stamp, row))
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(SCOPE, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one pod, once. Raises the ProviderError family, InvalidInputError."""
        remedy = "Make a template that runs headrace's agent from its image, and give its id."
        template = needed(self._settings.options, "template", remedy)
        order = parse.order(request, await self._row(request), template, self._settings.options.get("team", ""))
        made = await self._http.once("POST", "/pods/", body=order)
        if not isinstance(made, Mapping) or not made.get("id"):
            raise ProviderDataError(PROVIDER, "the answer to a launch names no pod")
        return parse.node(made, request.offer.region)

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Pods with that name."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every pod that has a name; the caller knows which names are ours."""

        async def page(token: str) -> tuple[list[Any], str]:
            offset = int(token or 0)
            body = await self._http.read("/pods/", {"offset": str(offset), "limit": str(PAGE_SIZE)})
            found = rows(PROVIDER, body, "data")
            following = offset + len(found)
            return found, str(following) if found and following < int(body.get("total_count") or 0) else ""

        return tuple(node for node in map(parse.node, await walked(PROVIDER, page)) if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"/pods/{node.provider_node_id}")

    async def _market(self, params: Mapping[str, str]) -> list[Any]:
        """Every row of the market."""

        async def page(number: int) -> tuple[list[Any], int]:
            body = await self._http.read("/availability/gpus", {**params, "page": str(number), "page_size": str(PAGE_SIZE)})
            found = rows(PROVIDER, body, "items")
            total = body.get("totalCount")
            if not isinstance(total, int):
                raise ProviderDataError(PROVIDER, f"the market does not tell how many rows it has: {total!r}")
            return found, total

        # Rows have no id, and the same thing may be offered twice at two prices: a row is known by all it says.
        return await numbered(PROVIDER, page, repr)

    async def _row(self, request: LaunchRequest) -> Mapping[str, Any]:
        """The offer's row of now, whose words the order repeats. Raises StockoutError where the market no longer has it."""
        offer = request.offer
        for row in await self._market({"gpu_count": str(offer.instance_type.accelerator_count)}):
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                if parse.same(row, offer):
                    found: Mapping[str, Any] = row
                    return found
        raise StockoutError(PROVIDER, f"the market no longer has {offer.instance_type.name} in {offer.region}")


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "PRIME_API_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=1, burst=5, headers=lambda: {"Authorization": f"Bearer {key()}"})
    adapter = PrimeIntellectProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.BUCKET,
        launches=True,
        join=JoinMethod.CONTAINER,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "Prime Intellect", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
