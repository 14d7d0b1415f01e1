"""RunPod behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from providers.http import JsonHttp
from providers.proofs import proof_of
from providers.rest import by_scope, carrying, http_of, key_of, launched, rows, sifted, understood
from providers.runpod import launch, parse
from providers.runpod.errors import ERRORS, PROVIDER
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

ENDPOINT = "https://api.runpod.io/v2"
COUNTS = ("1", "2", "4", "8")
"""GPUs to a pod that are asked for: stock differs by count, and each count costs one call."""


class RunPodProvider:
    """One RunPod account."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page for each number of GPUs to a pod."""
        async for page in by_scope(COUNTS, self._read):
            yield page

    async def _read(self, count: str) -> OfferPage:
        asked = {"include": "AVAILABILITY", "product": "POD", "cloud": "SECURE", "count": count}
        found = rows(PROVIDER, await self._http.read("/catalog/gpus", asked), "gpus")
        stamp = parse.Stamp(self._settings.account, self._clock(), int(count))
        offers, bad = sifted(count, found, lambda row: row["id"], lambda row: parse.offers(stamp, row))
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        return OfferPage(count, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one pod, once. Raises the ProviderError family, InvalidInputError."""
        body = await self._http.once("POST", "/pods", body=launch.order(request, self._settings.options))
        offer = request.offer
        with launched(PROVIDER):
            return CloudNode(str(body["id"]), request.launch_token, True, offer.region, offer.zone, state=str(body["status"]))

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Pods with that name."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every pod of the account; the caller knows which names are ours."""
        pods = rows(PROVIDER, await self._http.read("/pods"), "pods")
        with understood(PROVIDER, "pods"):
            return tuple(map(parse.node, pods))

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"/pods/{node.provider_node_id}")


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "RUNPOD_API_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=0.5, burst=10, headers=lambda: {"Authorization": f"Bearer {key()}"})
    adapter = RunPodProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.BUCKET,
        launches=True,
        join=JoinMethod.CONTAINER,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "RunPod", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
