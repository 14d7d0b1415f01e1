"""Linode behind the provider ports."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import JsonHttp
from providers.linode import parse
from providers.linode.errors import ERRORS, PROVIDER
from providers.proofs import proof_of
from providers.rest import budget_of, carrying, http_of, key_of, needed, rows, sifted, understood, walked
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

ENDPOINT = "https://api.linode.com/v4"
PAGE_SIZE = 500
SCOPE = "all"
USER_DATA_BYTES_MAX = 16 * 1024
_LABEL = re.compile(r"(?!.*(?:--|__|\.\.))[A-Za-z0-9][A-Za-z0-9_.-]{1,62}[A-Za-z0-9]")


class LinodeProvider:
    """One Linode account."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._launches = budget_of(settings, "launch", per_s=20 / 15, burst=5)

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: plans and stock are told for all regions together."""
        types = await self._all("/linode/types")
        regions, entries = await self._all("/regions"), await self._all("/regions/availability")
        with understood(PROVIDER, "regions and their stock"):
            countries, stock = parse.countries(regions, self._settings.regions), parse.stock(entries)
        shop = parse.Shop(self._settings.account, self._clock(), countries, stock)
        offers, bad = sifted(SCOPE, types, lambda row: row["id"], lambda row: parse.offers(shop, row))
        yield OfferPage(SCOPE, tuple(offers), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one Linode, once. Raises the ProviderError family, InvalidInputError."""
        if not _LABEL.fullmatch(request.launch_token):
            raise InvalidInputError("launch_token", request.launch_token, "no Linode label", "3 to 64 letters, digits, single dashes.")
        script = request.user_data.encode()
        if len(script) > USER_DATA_BYTES_MAX:
            raise InvalidInputError("user_data", len(script), "longer than 16 KiB", "Shorten it.")
        users = needed(self._settings.options, "users", "Name a user of the account whose SSH keys go onto the machine; Linode wants one.")
        order: dict[str, Any] = {
            "type": request.offer.instance_type.name,
            "region": request.offer.region,
            "image": self._settings.options.get("image", "linode/ubuntu24.04"),
            "label": request.launch_token,
            "tags": [parse.TAG],
            "authorized_users": [user.strip() for user in users.split(",")],
            "metadata": {"user_data": base64.b64encode(script).decode()},
        }
        firewall = self._settings.options.get("firewall_id", "")
        if firewall:
            order["firewall_id"] = int(firewall)
        made = await self._http.once("POST", "/linode/instances", body=order, budget=self._launches)
        if not isinstance(made, Mapping) or "id" not in made:
            raise ProviderDataError(PROVIDER, "the answer to a launch names no Linode")
        return parse.node(made)

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """The Linode with that label."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every Linode with our tag."""
        return tuple(node for node in map(parse.node, await self._all("/linode/instances")) if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"/linode/instances/{node.provider_node_id}")

    async def _all(self, path: str) -> list[Any]:
        """Every row of a list; pages are numbered."""

        async def page(token: str) -> tuple[list[Any], str]:
            number = int(token or 1)
            body = await self._http.read(path, {"page": str(number), "page_size": str(PAGE_SIZE)})
            found = rows(PROVIDER, body, "data")
            return found, str(number + 1) if number < int(body.get("pages") or 1) else ""

        return await walked(PROVIDER, page)


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "LINODE_TOKEN")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=200 / 60, burst=10, headers=lambda: {"Authorization": f"Bearer {key()}"})
    adapter = LinodeProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.BOOLEAN,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=300,
    )
    return Provider(settings.name, settings.account, "Linode", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
