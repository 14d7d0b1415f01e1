"""Hyperstack behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import JsonHttp
from providers.hyperstack import parse
from providers.hyperstack.errors import ERRORS, PROVIDER, told
from providers.proofs import proof_of
from providers.rest import carrying, http_of, key_of, needed, rows, sifted, understood, walked
from scheduler.domain.errors import InvalidInputError, NotFoundError, ProviderDataError
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

ENDPOINT = "https://infrahub-api.nexgencloud.com/v1"
MACHINES = "/core/virtual-machines"
NAME_CHARACTERS_MAX = 50
PAGE_SIZE = 100
SCOPE = "all"


class HyperstackProvider:
    """One Hyperstack account."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: flavors of all regions come in one answer, as do prices and stocks."""
        groups = rows(PROVIDER, await self._http.read("/core/flavors"), "data")
        flavors = [flavor for group in groups for flavor in rows(PROVIDER, group, "flavors")]
        with understood(PROVIDER, "prices or stocks"):
            prices = parse.prices(rows(PROVIDER, await self._http.read("/pricebook")))
            stock = parse.stock(rows(PROVIDER, await self._http.read("/core/stocks"), "stocks"))
        reading = parse.Reading(self._settings.account, self._clock(), prices, stock)
        offers, bad = sifted(SCOPE, flavors, lambda row: row["name"], lambda row: parse.offers(reading, row))
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(SCOPE, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Launch one machine, once. Raises the ProviderError family, InvalidInputError."""
        if len(request.launch_token) > NAME_CHARACTERS_MAX:
            raise InvalidInputError("launch_token", request.launch_token, "longer than 50 characters", "Shorten it.")
        options, region = self._settings.options, request.offer.region
        order: dict[str, Any] = {
            "name": request.launch_token,
            "environment_name": options.get("environment", "default-{region}").replace("{region}", region),
            "flavor_name": request.offer.instance_type.name,
            "image_name": needed(options, "image", "Name an image of the region, as GET /core/images lists them."),
            "key_name": needed(options, "ssh_key", "Name a key pair of the environment; Hyperstack launches nothing without one."),
            "count": 1,
            "assign_floating_ip": True,
            "labels": [parse.LABEL],
            "user_data": request.user_data,
        }
        made = rows(PROVIDER, await self._http.once("POST", MACHINES, body=order), "instances")
        if len(made) != 1:
            raise ProviderDataError(PROVIDER, f"launched {len(made)} machines instead of one")
        return CloudNode(str(made[0]["id"]), request.launch_token, True, region, region, state="CREATING")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Machines with that name."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine that carries our label."""
        found = map(parse.node, await walked(PROVIDER, self._page))
        return tuple(node for node in found if node.launch_token)

    async def _page(self, token: str) -> tuple[list[Any], str]:
        number = int(token or 1)
        body = await self._http.read(MACHINES, {"page": str(number), "pageSize": str(PAGE_SIZE)})
        found = rows(PROVIDER, body, "instances")
        return found, str(number + 1) if found and len(found) >= (body.get("page_size") or PAGE_SIZE) else ""

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"{MACHINES}/{node.provider_node_id}")


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "HYPERSTACK_API_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=8, burst=8, headers=lambda: {"api_key": key()}, told=told)
    adapter = HyperstackProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.COUNT,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "Hyperstack", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
