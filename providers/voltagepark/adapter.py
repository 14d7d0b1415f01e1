"""Voltage Park behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import JsonHttp
from providers.proofs import proof_of
from providers.rest import carrying, http_of, key_of, launched, numbered, rows, sifted, understood
from providers.voltagepark import parse
from providers.voltagepark.errors import ERRORS, PROVIDER
from providers.voltagepark.launch import chosen, order
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

ENDPOINT = "https://cloud-api.voltagepark.com/api/v1"
SCOPE = "all"
PAGE_SIZE = 15


class VoltageParkProvider:
    """One Voltage Park organization."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: all locations with what they have left."""
        found = await self._presets()
        wanted = [preset for preset in found if not self._settings.regions or preset.location in self._settings.regions]
        stamp = parse.Stamp(self._settings.account, self._clock())
        offers, bad = sifted(SCOPE, wanted, lambda preset: preset.row["id"], lambda preset: parse.offers(stamp, preset))
        yield OfferPage(SCOPE, tuple(offers), tuple(bad), complete=True)

    async def _presets(self) -> list[parse.Preset]:
        locations = await self._listed("/virtual-machines/instant/locations")
        with understood(PROVIDER, "locations"):
            return list(parse.presets(locations, self._settings.options.get("operating_system", "")))

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Find the preset anew, as ids may change, and order one machine, once.

        Raises:
            StockoutError: nothing is left, or the location sells it no more.
        """
        found = await self._presets()
        with understood(PROVIDER, "presets"):
            config_id = chosen(request, found)
        body = order(request, config_id, self._settings.options)
        made = await self._http.once("POST", "/virtual-machines/instant", body=body)
        zone = request.offer.zone
        with launched(PROVIDER):
            return CloudNode(str(made["vm_id"]), request.launch_token, True, zone, zone, state="Running")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Machines with that name."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine of the organization that carries our tag."""
        listed = await self._listed("/virtual-machines/")
        with understood(PROVIDER, "machines"):
            return tuple(node for node in map(parse.node, listed) if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"/virtual-machines/{node.provider_node_id}")

    async def _listed(self, path: str) -> list[Any]:
        async def page(number: int) -> tuple[Sequence[Any], int]:
            body = await self._http.read(path, {"limit": str(PAGE_SIZE), "offset": str((number - 1) * PAGE_SIZE)})
            return rows(PROVIDER, body, "results"), int(body["total_result_count"])

        with understood(PROVIDER, path):
            return await numbered(PROVIDER, page, lambda row: row["id"])


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "VOLTAGE_PARK_API_TOKEN", option="api_token_env")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=1, burst=3, headers=lambda: {"Authorization": f"Bearer {key()}"})
    adapter = VoltageParkProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.COUNT,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "Voltage Park", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
