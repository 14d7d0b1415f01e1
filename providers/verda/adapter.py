"""Verda behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from providers.http import JsonHttp
from providers.proofs import proof_of
from providers.rest import carrying, http_of, key_of, rows, shell_script, sifted, understood
from providers.verda import launch, parse
from providers.verda.errors import ERRORS, PROVIDER
from providers.verda.transport import ClientCredentials
from scheduler.domain.errors import NotFoundError, ProviderError, StockoutError, TransientError
from scheduler.domain.offer import AvailabilityKind, CapacityType
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

ENDPOINT = "https://api.verda.com/v1"
SCOPE = "all"
ID_CHARACTERS_MAX = 64


class VerdaProvider:
    """One Verda project."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: prices are the same everywhere, and stock comes for all locations at once."""
        listed = rows(PROVIDER, await self._http.read("/locations"))
        with understood(PROVIDER, "locations"):
            places = parse.countries(listed)
        wanted = {place: country for place, country in places.items() if place in (self._settings.regions or places)}
        stocked: set[tuple[CapacityType, str, str]] = set()
        for capacity, is_spot in ((CapacityType.ON_DEMAND, "false"), (CapacityType.SPOT, "true")):
            listed = rows(PROVIDER, await self._http.read("/instance-availability", {"isSpot": is_spot}))
            with understood(PROVIDER, "availability"):
                stocked |= parse.stocked(capacity, listed)
        types = rows(PROVIDER, await self._http.read("/instance-types", {"currency": "usd"}))
        shop = parse.Shop(self._settings.account, self._clock(), wanted, frozenset(stocked))
        offers, bad = sifted(SCOPE, types, lambda row: row["instance_type"], lambda row: parse.offers(shop, row))
        yield OfferPage(SCOPE, tuple(offers), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Keep the startup script at Verda, then order the instance, once.

        Raises:
            StockoutError: accepted, but without capacity; it is deleted again.
            ProviderError: the script is deleted, unless the answer was lost and the instance may need it.
        """
        order = launch.order(request, self._settings.options)
        order["startup_script_id"] = await self._made("/scripts", {"name": request.launch_token, "script": shell_script(request)})
        try:
            made = await self._made("/instances", order)
        except TransientError:
            raise
        except ProviderError:
            with contextlib.suppress(ProviderError):
                await self._forget(request.launch_token)
            raise
        offer = request.offer
        node = CloudNode(made, request.launch_token, True, offer.region, offer.zone, state="ordered")
        with contextlib.suppress(ProviderError), understood(PROVIDER, "instance"):
            node = parse.node(await self._http.read(f"/instances/{made}"))
        if node.state == parse.NO_CAPACITY:
            await self.terminate(node)
            raise StockoutError(PROVIDER, f"no {offer.instance_type.name} left in {offer.zone}", node.state)
        return node

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Instances with that description."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every instance of the project; the caller knows which descriptions are ours."""
        instances = rows(PROVIDER, await self._http.read("/instances"))
        with understood(PROVIDER, "instances"):
            return tuple(map(parse.node, instances))

    async def terminate(self, node: CloudNode) -> None:
        """Delete it and its startup script; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            results = await self._http.once("PUT", "/instances", body=launch.release(node))
            for result in results if isinstance(results, list) else []:
                if result.get("error"):
                    raise ERRORS.error("", int(result.get("statusCode", 0)), str(result["error"]))
        await self._forget(node.launch_token)

    async def _made(self, path: str, order: Mapping[str, object]) -> str:
        """Create something, once; Verda answers with the id as plain text. Anything else leaves open what was made: TransientError."""
        made = str(await self._http.once("POST", path, body=order, text=True)).strip('"')
        if not made or len(made) > ID_CHARACTERS_MAX or not made.isprintable() or " " in made:
            raise TransientError(PROVIDER, f"POST {path}: answered {made[:ID_CHARACTERS_MAX]!r} instead of an id")
        return made

    async def _forget(self, launch_token: str) -> None:
        """Delete the startup scripts of this launch: they hold the secret with which a node joins."""
        kept = rows(PROVIDER, await self._http.read("/scripts"))
        ours = [script["id"] for script in kept if launch_token and script["name"] == launch_token]
        if ours:
            await self._http.once("DELETE", "/scripts", body={"scripts": ours})


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    secret = key_of(PROVIDER, settings.options, environ, "VERDA_CLIENT_SECRET", option="client_secret_env")
    client = key_of(PROVIDER, settings.options, environ, "VERDA_CLIENT_ID", option="client_id_env")
    auth = ClientCredentials(settings.endpoint or ENDPOINT, lambda: (client(), secret()), clock)
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=2, burst=10, auth=lambda: auth)
    adapter = VerdaProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.BOOLEAN,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "Verda", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
