"""IBM Cloud VPC behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import JsonHttp
from providers.ibm import parse
from providers.ibm.errors import ERRORS, PROVIDER
from providers.ibm.launch import order
from providers.ibm.transport import IAM_ENDPOINT, ApiKey
from providers.proofs import proof_of
from providers.rest import by_scope, carrying, http_of, key_of, launched, rows, settled, sifted, understood, walked
from scheduler.domain.errors import NotFoundError, ProviderError
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

ENDPOINT = "https://us-south.iaas.cloud.ibm.com/v1"
VERSION = {"version": "2026-10-06", "generation": "2"}
LAUNCH_WAIT_S = 90.0


class IbmProvider:
    """One IBM Cloud account. Any region tells where the others are."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._endpoints: dict[str, str] = {}

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region."""
        self._endpoints = {}
        async for page in by_scope(await self._regions(), self._read_region):
            yield page

    async def _read_region(self, region: str) -> OfferPage:
        found = await self._listed(region, "/instance/profiles", "profiles")
        reading = parse.Reading(self._settings.account, region, self._clock(), self._settings.options)
        offers, bad = sifted(region, found, lambda row: row["name"], lambda row: parse.offers(reading, row))
        return OfferPage(region, tuple(offers), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Order one instance, once, and wait until it is started: only that tells a stockout.

        Raises:
            StockoutError: accepted, but without capacity; it is deleted again.
            ProviderError: refused; or accepted and then failed, and deleted again.
        """
        region, body = request.offer.region, order(request, self._settings.options)
        instances = await self._at(region, "/instances")
        made = await self._http.once("POST", instances, params=VERSION, body=body)
        with launched(PROVIDER):
            node = parse.node(region, made)
        with contextlib.suppress(ProviderError), understood(PROVIDER, "instance"):
            made = await settled(
                PROVIDER,
                lambda: self._http.read(f"{instances}/{node.provider_node_id}", VERSION),
                lambda row: row["status"] in parse.PENDING,
                wait_s=LAUNCH_WAIT_S,
            )
            node = parse.node(region, made)
        if node.state == parse.FAILED:
            await self.terminate(node)
            code, message = parse.reason(made)
            raise ERRORS.error(code, 0, f"{request.offer.instance_type.name} in {node.zone} failed: {message}")
        return node

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances with that name, in any of our regions."""
        return carrying(await self._instances({"name": launch_token}), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance of our regions; the caller knows which names are ours."""
        return await self._instances({})

    async def _instances(self, wanted: Mapping[str, str]) -> tuple[CloudNode, ...]:
        found: dict[str, CloudNode] = {}
        for region in await self._regions():
            listed = await self._listed(region, "/instances", "instances", wanted)
            with understood(PROVIDER, f"instances of {region}"):
                found |= {node.provider_node_id: node for node in (parse.node(region, row) for row in listed)}
        return tuple(found.values())

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        instances = await self._at(node.region, "/instances")
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"{instances}/{node.provider_node_id}", params=VERSION)

    async def _listed(self, region: str, path: str, field: str, wanted: Mapping[str, str] | None = None) -> list[Any]:
        """All rows of a paged list of one region."""
        where = await self._at(region, path)

        async def page(token: str) -> tuple[list[Any], str]:
            body = await self._http.read(where, {**VERSION, **(wanted or {}), **({"start": token} if token else {})})
            found = rows(PROVIDER, body, field)
            with understood(PROVIDER, "next page"):
                return found, parse.following(body)

        return await walked(PROVIDER, page)

    async def _at(self, region: str, path: str) -> str:
        """The address of a call in one region. Raises NotFoundError where IBM has no such region."""
        known = await self._known()
        if region not in known:
            raise NotFoundError(PROVIDER, f"no region {region!r}; there are {', '.join(sorted(known))}")
        return known[region] + path

    async def _regions(self) -> tuple[str, ...]:
        """The regions to read: ours, or all."""
        return self._settings.regions or tuple(await self._known())

    async def _known(self) -> Mapping[str, str]:
        """Endpoints by region, asked for once in a reading."""
        if not self._endpoints:
            listed = rows(PROVIDER, await self._http.read("/regions", VERSION), "regions")
            with understood(PROVIDER, "regions"):
                self._endpoints = parse.endpoints(listed)
        return self._endpoints


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "IBMCLOUD_API_KEY")
    auth = ApiKey(settings.options.get("iam_endpoint", IAM_ENDPOINT), key, clock)
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=5, burst=10, auth=lambda: auth)
    adapter = IbmProvider(settings, http, clock)
    abilities = Capabilities(on_demand_prices=True, launches=True, join=JoinMethod.USER_DATA, freshness_target_s=3600)
    return Provider(settings.name, settings.account, "IBM Cloud", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
