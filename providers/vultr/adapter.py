"""Vultr behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from providers.http import JsonHttp
from providers.proofs import proof_of
from providers.rest import by_scope, carrying, http_of, key_of, launched, rows, sifted, understood, walked
from providers.vultr import launch, parse
from providers.vultr.errors import ERRORS, PROVIDER
from scheduler.domain.errors import AuthError, NotFoundError
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

ENDPOINT = "https://api.vultr.com/v2"
PER_PAGE = "500"


class VultrProvider:
    """One Vultr account, or the price list where there is none."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock, key: Callable[[], str]) -> None:
        self._settings, self._http, self._clock, self._key = settings, http, clock, key

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """All plans once, then stock region by region."""
        plans = [*await self._all("/plans", "plans"), *await self._all("/plans-metal", "plans_metal")]
        listed = await self._all("/regions", "regions")
        with understood(PROVIDER, "regions"):
            countries = parse.countries(listed)
        async for page in by_scope(self._settings.regions or sorted(countries), partial(self._read, plans, countries)):
            yield page

    async def _read(self, plans: Sequence[Any], countries: Mapping[str, str], region: str) -> OfferPage:
        stocked = await self._stocked(region)
        shelf = parse.Shelf(self._settings.account, self._clock(), region, countries.get(region, ""), stocked)
        offers, bad = sifted(region, plans, lambda row: row["id"], lambda row: parse.offers(shelf, row))
        return OfferPage(region, tuple(offers), tuple(bad), complete=True)

    async def _stocked(self, region: str) -> frozenset[str] | None:
        """Plans that can launch in a region. An empty list means that Vultr did not know us: it has small machines everywhere."""
        if not _optional(self._key):
            return None
        body = await self._http.read(f"/regions/{region}/availability")
        return frozenset(map(str, rows(PROVIDER, body, "available_plans"))) or None

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one machine, once. Raises the ProviderError family, InvalidInputError."""
        self._key()
        path = parse.path_of(request.offer.instance_type.name)
        body = await self._http.once("POST", f"/{path}", body=launch.order(request, self._settings.options))
        with launched(PROVIDER):
            return parse.node(body["instance" if path == parse.INSTANCES else "bare_metal"], path)

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Machines with that label."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance and bare metal machine of the account; the caller knows which labels are ours."""
        self._key()
        instances, metals = await self._all("/instances", "instances"), await self._all("/bare-metals", "bare_metals")
        with understood(PROVIDER, "machines"):
            return (
                *(parse.node(row, parse.INSTANCES) for row in instances),
                *(parse.node(row, parse.BARE_METALS) for row in metals),
            )

    async def terminate(self, node: CloudNode) -> None:
        """Destroy it; one that is gone is no error."""
        self._key()
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"/{node.provider_node_id}")

    async def _all(self, path: str, name: str) -> list[Any]:
        async def page(cursor: str) -> tuple[list[Any], str]:
            body = await self._http.read(path, {"per_page": PER_PAGE} | ({"cursor": cursor} if cursor else {}))
            found = rows(PROVIDER, body, name)
            with understood(PROVIDER, "page links"):
                return found, str(body["meta"]["links"]["next"] or "")

        return await walked(PROVIDER, page)


def _optional(key: Callable[[], str]) -> str:
    """The key, "" where none is set: plans and regions are public."""
    try:
        return key()
    except AuthError:
        return ""


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "VULTR_API_KEY")

    def headers() -> Mapping[str, str]:
        found = _optional(key)
        return {"Authorization": f"Bearer {found}"} if found else {}

    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=2, burst=10, headers=headers)
    adapter = VultrProvider(settings, http, clock, key)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.BOOLEAN,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=600,
    )
    return Provider(settings.name, settings.account, "Vultr", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
