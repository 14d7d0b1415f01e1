"""Together behind the provider ports: offers only, as a cluster cannot be a node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from providers.http import JsonHttp
from providers.proofs import proof_of
from providers.rest import http_of, key_of, rows, sifted, understood
from providers.together import parse
from providers.together.errors import ERRORS, PROVIDER
from scheduler.domain.ports import Capabilities, Clock, OfferPage, Pace, Provider, ProviderSettings

ENDPOINT = "https://api.together.ai/v1"
SCOPE = "all"


class TogetherProvider:
    """One Together account."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: Together tells all regions in one answer."""
        listed = rows(PROVIDER, await self._http.read("/compute/regions"), "regions")
        with understood(PROVIDER, "regions"):
            found = [row for row in parse.sold(listed) if not self._settings.regions or row.region in self._settings.regions]
        reading = parse.Reading(self._settings.account, self._clock(), self._settings.options)
        offers, bad = sifted(SCOPE, found, lambda row: f"{row.gpu_type} in {row.region}", lambda row: parse.offers(reading, row))
        yield OfferPage(SCOPE, tuple(offers), tuple(bad), complete=True)


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "TOGETHER_API_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=1, headers=lambda: {"Authorization": f"Bearer {key()}"})
    abilities = Capabilities(on_demand_prices=True, freshness_target_s=3600)
    adapter = TogetherProvider(settings, http, clock)
    return Provider(settings.name, settings.account, "Together", abilities, adapter, proof=proof_of(PROVIDER))
