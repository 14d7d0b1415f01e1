"""Lambda behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import JsonHttp
from providers.jurisdiction import known_regions
from providers.lambdalabs import parse
from providers.lambdalabs.errors import ERRORS, PROVIDER
from providers.proofs import proof_of
from providers.rest import budget_of, carrying, http_of, key_of, needed, rows, sifted
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

ENDPOINT = "https://cloud.lambda.ai/api/v1"
NAME_CHARACTERS_MAX = 64
SCOPE = "all"


class LambdaProvider:
    """One Lambda account."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._launches = budget_of(settings, "launch", per_s=1 / 12)

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: Lambda tells everything in one answer."""
        body = await self._http.read("/instance-types")
        types = body.get("data") if isinstance(body, Mapping) else None
        if not isinstance(types, Mapping):
            raise ProviderDataError(PROVIDER, "the answer has no map data")
        stamp = parse.Stamp(self._settings.account, self._clock())
        regions = self._settings.regions or known_regions(PROVIDER)
        offers, bad = sifted(SCOPE, types.values(), lambda row: row["instance_type"]["name"], lambda row: parse.offers(stamp, row, regions))
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(SCOPE, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Launch one instance, once. Raises the ProviderError family, InvalidInputError."""
        if len(request.launch_token) > NAME_CHARACTERS_MAX:
            raise InvalidInputError("launch_token", request.launch_token, "longer than 64 characters", "Shorten it.")
        keys = needed(self._settings.options, "ssh_keys", "Name an SSH key of the account; Lambda launches nothing without one.")
        order: dict[str, Any] = {
            "region_name": request.offer.region,
            "instance_type_name": request.offer.instance_type.name,
            "ssh_key_names": [key.strip() for key in keys.split(",")],
            "name": request.launch_token,
            "user_data": request.user_data,
        }
        body = await self._http.once("POST", "/instance-operations/launch", body=order, budget=self._launches)
        made = rows(PROVIDER, body, "data", "instance_ids")
        if len(made) != 1:
            raise ProviderDataError(PROVIDER, f"launched {len(made)} instances instead of one")
        region = request.offer.region
        return CloudNode(str(made[0]), request.launch_token, True, region, region, state="booting")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances with that name."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance of the account that has a name; the caller knows which names are ours."""
        found = map(parse.node, rows(PROVIDER, await self._http.read("/instances"), "data"))
        return tuple(node for node in found if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Terminate it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("POST", "/instance-operations/terminate", body={"instance_ids": [node.provider_node_id]})


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "LAMBDA_API_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=1, headers=lambda: {"Authorization": f"Bearer {key()}"})
    adapter = LambdaProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.BOOLEAN,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "Lambda Cloud", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
