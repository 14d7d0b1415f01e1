"""Vast behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import JsonHttp
from providers.normalise import price_micro_usd
from providers.proofs import proof_of
from providers.rest import budget_of, by_scope, carrying, http_of, key_of, launched, rows, sifted, understood, walked
from providers.vast import launch, parse
from providers.vast.errors import ERRORS, PROVIDER, told
from scheduler.domain.errors import NotFoundError, StockoutError
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

ENDPOINT = "https://console.vast.ai"
INSTANCES_PER_PAGE = "25"


class VastProvider:
    """One Vast account."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._searches = budget_of(settings, "search", per_s=10 / 60, burst=2)
        self._launches = budget_of(settings, "launch", per_s=1 / 4.5)
        self._releases = budget_of(settings, "release", per_s=1 / 3)

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page on demand, one by bid."""
        async for page in by_scope((kind.value for kind in launch.SEARCHES), self._read):
            yield page

    async def _read(self, scope: str) -> OfferPage:
        capacity = CapacityType(scope)
        found = await self._search(launch.search(capacity, self._settings.options, self._settings.regions))
        stamp = parse.Stamp(self._settings.account, self._clock(), capacity)
        offers, bad = sifted(scope, found, lambda row: row["id"], lambda row: parse.offers(stamp, row))
        return OfferPage(scope, tuple(offers), tuple(bad), complete=len(found) < launch.ROWS_MAX)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Rent the offer's machine, once.

        Raises:
            StockoutError: somebody else has it, or it has become dearer than the offer said.
        """
        ask = await self._ask(request)
        order = launch.order(request, ask, self._settings.options)
        try:
            body = await self._http.once("PUT", f"/api/v0/asks/{ask['id']}/", body=order, budget=self._launches)
            if not body.get("success"):
                raise ERRORS.error(*_refusal(body))
        except StockoutError:
            # Vast may make a contract and refuse it in one answer.
            for node in await self.find(request.launch_token):
                await self.terminate(node)
            raise
        offer = request.offer
        with launched(PROVIDER):
            return CloudNode(str(body["new_contract"]), request.launch_token, True, offer.region, offer.zone, state="loading")

    async def _ask(self, request: LaunchRequest) -> Mapping[str, Any]:
        """The cheapest ask that is still what the offer was."""
        offer, name = request.offer, request.offer.instance_type.name
        found = await self._search(launch.search_again(request, parse.count_of(name), self._settings.options))
        with understood(PROVIDER, "asks"):
            asks: list[Mapping[str, Any]] = [row for row in found if parse.type_name(row) == name and row["rentable"]]
            fits = {price_micro_usd(ask["dph_total"]): ask for ask in asks}
        if not fits:
            raise StockoutError(PROVIDER, f"{name} of machine {offer.zone} is taken")
        if min(fits) > offer.price_micro_usd_per_h:
            raise StockoutError(PROVIDER, f"{name} of machine {offer.zone} now costs {min(fits) / 1_000_000} USD an hour")
        return fits[min(fits)]

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances with that label."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance of the account; the caller knows which labels are ours."""

        async def page(token: str) -> tuple[list[Any], str]:
            after = {"after_token": token} if token else {}
            body = await self._http.read("/api/v1/instances/", {"limit": INSTANCES_PER_PAGE} | after)
            return rows(PROVIDER, body, "instances"), str(body.get("next_token") or "")

        instances = await walked(PROVIDER, page)
        with understood(PROVIDER, "instances"):
            return tuple(map(parse.node, instances))

    async def terminate(self, node: CloudNode) -> None:
        """Destroy it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"/api/v0/instances/{node.provider_node_id}/", budget=self._releases)

    async def _search(self, query: Mapping[str, Any]) -> list[Any]:
        return rows(PROVIDER, await self._http.read("/api/v0/bundles/", method="POST", body=query, budget=self._searches), "offers")


def _refusal(body: Mapping[str, Any]) -> tuple[str, int, str]:
    """An error inside an answer that succeeded, as ``ErrorTable.error`` takes it."""
    code, message = told(body)
    return code, 0, message


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "VAST_API_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=1, burst=3, headers=lambda: {"Authorization": f"Bearer {key()}"}, told=told)
    adapter = VastProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.BOOLEAN,
        launches=True,
        join=JoinMethod.CONTAINER,
        freshness_target_s=300,
    )
    return Provider(settings.name, settings.account, "Vast.ai", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
