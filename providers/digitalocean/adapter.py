"""DigitalOcean behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.digitalocean import parse
from providers.digitalocean.errors import ERRORS, PROVIDER
from providers.http import JsonHttp
from providers.proofs import proof_of
from providers.rest import carrying, http_of, key_of, launched, needed, rows, sifted, understood, walked
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

ENDPOINT = "https://api.digitalocean.com"
PER_PAGE = "200"
SCOPE = "all"


class DigitalOceanProvider:
    """One DigitalOcean team."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: every size tells its regions."""
        sizes = await self._all("/v2/sizes", "sizes")
        stamp = parse.Stamp(self._settings.account, self._clock())
        offers, bad = sifted(SCOPE, sizes, lambda row: row["slug"], lambda row: parse.offers(stamp, row))
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(SCOPE, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one Droplet, once. Raises the ProviderError family, InvalidInputError."""
        options = self._settings.options
        order: dict[str, Any] = {
            "name": request.launch_token,
            "region": request.offer.region,
            "size": request.offer.instance_type.name,
            "image": needed(options, "image", "Name an image, by slug or id, that holds GPU drivers and headrace."),
            "ssh_keys": [key.strip() for key in options.get("ssh_keys", "").split(",") if key.strip()],
            "user_data": request.user_data,
        }
        if options.get("vpc"):
            order["vpc_uuid"] = options["vpc"]
        body = await self._http.once("POST", "/v2/droplets", body=order)
        offer = request.offer
        with launched(PROVIDER):
            made = body["droplet"]
            return CloudNode(str(made["id"]), request.launch_token, True, offer.region, offer.zone, state=str(made["status"]))

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """GPU Droplets with that name."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every GPU Droplet of the team; the caller knows which names are ours. Without ``type`` GPU Droplets are left out."""
        droplets = await self._all("/v2/droplets", "droplets", type="gpus")
        with understood(PROVIDER, "Droplets"):
            return tuple(map(parse.node, droplets))

    async def terminate(self, node: CloudNode) -> None:
        """Destroy it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"/v2/droplets/{node.provider_node_id}")

    async def _all(self, path: str, name: str, **params: str) -> list[Any]:
        async def page(number: str) -> tuple[list[Any], str]:
            body = await self._http.read(path, {"per_page": PER_PAGE, "page": number or "1", **params})
            return rows(PROVIDER, body, name), parse.next_page(body)

        return await walked(PROVIDER, page)


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "DIGITALOCEAN_TOKEN")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=1.3, burst=20, headers=lambda: {"Authorization": f"Bearer {key()}"})
    adapter = DigitalOceanProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.BOOLEAN,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=300,
    )
    return Provider(settings.name, settings.account, "DigitalOcean", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
