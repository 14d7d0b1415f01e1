"""Scaleway behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.currency import Rate, rate
from providers.http import JsonHttp
from providers.jurisdiction import known_regions
from providers.proofs import proof_of
from providers.rest import by_scope, carrying, http_of, key_of, numbered, rows, settled, sifted, understood
from providers.scaleway import parse
from providers.scaleway.errors import ERRORS, PROVIDER
from providers.scaleway.launch import order
from scheduler.domain.errors import NotFoundError, ProviderDataError, ProviderError
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

ENDPOINT = "https://api.scaleway.com"
PAGE_SIZE = 100
DETACH_WAIT_S = 90.0


class ScalewayProvider:
    """One Scaleway project."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, euro: Rate, clock: Clock) -> None:
        self._settings, self._http, self._euro, self._clock = settings, http, euro, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per zone."""
        async for page in by_scope(self._zones(), self._read_zone):
            yield page

    async def _read_zone(self, zone: str) -> OfferPage:
        types = await self._named(_servers(zone, "products"))
        stock = await self._named(f"{_servers(zone, 'products')}/availability")
        with understood(PROVIDER, f"stock of {zone}"):
            words = {name: str(row["availability"]) for name, row in stock}
        reading = parse.Reading(self._settings.account, zone, self._clock(), self._euro, words)
        offers, bad = sifted(zone, types, lambda pair: pair[0], lambda pair: parse.offers(reading, *pair))
        return OfferPage(zone, tuple(offers), tuple(bad), complete=True)

    async def _named(self, path: str) -> list[tuple[str, Any]]:
        """All pages of a map by name; the total is in a header."""

        async def page(number: int) -> tuple[Sequence[Any], int]:
            heard: dict[str, str] = {}
            body = await self._http.read(path, {"page": str(number), "per_page": str(PAGE_SIZE)}, heard=heard.update)
            servers = body.get("servers") if isinstance(body, Mapping) else None
            if not isinstance(servers, Mapping):
                raise ProviderDataError(PROVIDER, "the answer has no map servers")
            return list(servers.items()), _total(heard, len(servers))

        return await numbered(PROVIDER, page, lambda pair: pair[0])

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create an instance, give it its script, start it: each once. Raises the ProviderError family, InvalidInputError.

        Only the start tells a stockout; what was created for nothing is deleted.
        """
        zone = request.offer.zone
        made = await self._http.once("POST", _servers(zone), body=order(request, self._settings.options))
        with understood(PROVIDER, "the answer to a launch"):
            node = parse.node(made["server"])
        path = f"{_servers(zone)}/{node.provider_node_id}"
        try:
            plain = {"Content-Type": "text/plain"}
            await self._http.once("PATCH", f"{path}/user_data/cloud-init", body=request.user_data.encode(), headers=plain)
            await self._http.once("POST", f"{path}/action", body={"action": "poweron"})
        except ProviderError:
            # After a TransientError it may have started: an instance that is found by its token but never joins is worse than none.
            with contextlib.suppress(ProviderError):
                await self.terminate(node)
            raise
        return node

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances that carry the token, in any zone."""
        return carrying(await self._tagged(parse.TOKEN_TAG + launch_token), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance that carries our tag."""
        return await self._tagged(parse.TAG)

    async def _tagged(self, tag: str) -> tuple[CloudNode, ...]:
        found: list[CloudNode] = []
        for zone in self._zones():
            with understood(PROVIDER, f"instances of {zone}"):
                found += map(parse.node, await self._listed(_servers(zone), "servers", {"tags": tag}, "per_page"))
        return tuple(found)

    async def _listed(self, path: str, name: str, params: Mapping[str, str], size: str) -> list[Any]:
        async def page(number: int) -> tuple[Sequence[Any], int]:
            heard: dict[str, str] = {}
            body = await self._http.read(path, {**params, "page": str(number), size: str(PAGE_SIZE)}, heard=heard.update)
            found = rows(PROVIDER, body, name)
            return found, _total(heard, int(body.get("total_count") or len(found)))

        return await numbered(PROVIDER, page, lambda row: row["id"])

    async def terminate(self, node: CloudNode) -> None:
        """Delete it with its boot volume, which is only detached by itself; what is gone is no error."""
        path = f"{_servers(node.zone)}/{node.provider_node_id}"
        with contextlib.suppress(NotFoundError), understood(PROVIDER, "an instance"):
            if (await self._http.read(path))["server"]["state"] == "stopped":
                await self._http.once("DELETE", path)
            else:
                await self._http.once("POST", f"{path}/action", body={"action": "terminate"})
        if node.launch_token:
            await self._delete_volumes(node.zone, node.launch_token)

    async def _delete_volumes(self, zone: str, launch_token: str) -> None:
        path = f"/block/v1/zones/{zone}/volumes"

        async def named() -> list[Any]:
            found = await self._listed(path, "volumes", {"name": launch_token}, "page_size")
            return [volume for volume in found if volume["name"] == launch_token]

        with understood(PROVIDER, "volumes"):
            free = await settled(PROVIDER, named, lambda found: any(each["status"] == "in_use" for each in found), wait_s=DETACH_WAIT_S)
            for volume in free:
                with contextlib.suppress(NotFoundError):
                    await self._http.once("DELETE", f"{path}/{volume['id']}")

    def _zones(self) -> Sequence[str]:
        wanted = self._settings.regions
        return [zone for zone in known_regions(PROVIDER) if not wanted or zone in wanted or parse.region_of(zone) in wanted]


def _servers(zone: str, of: str = "") -> str:
    return f"/instance/v1/zones/{zone}/{of + '/' if of else ''}servers"


def _total(heard: Mapping[str, str], otherwise: int) -> int:
    told = heard.get("x-total-count", "")
    return int(told) if told.isdigit() else otherwise


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "SCW_SECRET_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=10, burst=10, headers=lambda: {"X-Auth-Token": key()})
    adapter = ScalewayProvider(settings, http, rate("EUR", settings.options), clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.BUCKET,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=300,
    )
    return Provider(settings.name, settings.account, "Scaleway", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
