"""The adapter of a market process: an async client that implements the provider ports.

It treats the market as it would any REST cloud, and knows nothing of how the market works inside.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from providers.errors import ErrorTable
from providers.http import Json, JsonHttp
from providers.normalise import quarantined
from providers.simulated.base import capabilities
from providers.simulated.wire import node_from_json, offer_from_json, quota_from_json
from scheduler.domain.errors import (
    AuthError,
    InvalidInputError,
    NotFoundError,
    ProviderDataError,
    QuotaExceededError,
    StockoutError,
    UnknownAcceleratorError,
)
from scheduler.domain.offer import Offer
from scheduler.domain.ports import (
    Clock,
    CloudNode,
    LaunchRequest,
    Limits,
    OfferPage,
    Provider,
    ProviderSettings,
    Quarantined,
)

PAGE_ROWS = 200
PAGES_MAX = 1_000
URL_VARIABLE = "HEADRACE_MARKET_URL"
TOKEN_VARIABLE = "HEADRACE_MARKET_TOKEN"  # noqa: S105 - a variable's name


class SimulatedClient:
    """One cloud of a market process: offers, limits and machines."""

    def __init__(self, cloud: str, account: str, regions: tuple[str, ...], http: JsonHttp) -> None:
        self._cloud, self._account, self._regions, self._http = cloud, account, regions, http

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page per region, complete: the market sorts by id, so a region's rows come together."""
        rows: dict[str, list[Offer]] = {region: [] for region in self._regions}
        bad: dict[str, list[Quarantined]] = {}
        async for row in self._offer_rows():
            region = str(row.get("region", ""))
            if self._regions and region not in self._regions:
                continue
            try:
                rows.setdefault(region, []).append(offer_from_json(row, provider=self._cloud, account=self._account))
            except (ValueError, UnknownAcceleratorError) as error:
                bad.setdefault(region, []).append(quarantined(region, str(row.get("id", "?")), error, row))
        for region in sorted(rows.keys() | bad.keys()):
            yield OfferPage(region, tuple(rows.get(region, ())), tuple(bad.get(region, ())), complete=True)

    async def _offer_rows(self) -> AsyncIterator[Mapping[str, Any]]:
        following: str | None = "0"
        seen: set[str] = set()
        while following is not None:
            if following in seen or len(seen) >= PAGES_MAX:
                raise ProviderDataError(self._cloud, f"page token {following!r} came twice")
            seen.add(following)
            page = await self._http.read(f"/v1/{self._cloud}/offers", {"next": following, "page_size": str(PAGE_ROWS)})
            for row in _listed(self._cloud, page, "offers"):
                yield row
            following = page.get("next")

    async def read_limits(self) -> Limits:
        """Quotas in GPUs; the market has no reservations."""
        page = await self._http.read(f"/v1/{self._cloud}/quotas")
        try:
            rows = _listed(self._cloud, page, "quotas")
            return Limits(tuple(quota_from_json(row, provider=self._cloud, account=self._account) for row in rows))
        except ValueError as error:
            raise ProviderDataError(self._cloud, str(error)) from error

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Start a machine: ``argv`` as a process tree. Idempotent by token. Raises the ProviderError family."""
        if not request.argv:
            raise InvalidInputError("argv", request.argv, "a simulated machine is a process", "Give the command that joins the cluster.")
        offer = request.offer
        order = {
            "launch_token": request.launch_token,
            "region": offer.region,
            "zone": offer.zone,
            "instance_type": offer.instance_type.name,
            "capacity_type": offer.capacity_type.value,
            "argv": list(request.argv),
            "env": dict(request.env),
            "node": request.node,
            "cluster": request.cluster,
        }
        return self._node(await self._http.once("POST", f"/v1/{self._cloud}/machines", body=order))

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Machines with this token, ended ones included."""
        return await self._nodes({"launch_token": launch_token})

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine at this cloud: a market has one tenant."""
        return await self._nodes({})

    async def terminate(self, node: CloudNode) -> None:
        """Give it back; a machine that is gone is no error."""
        try:
            await self._http.once("DELETE", f"/v1/{self._cloud}/machines/{quote(node.provider_node_id, safe='')}")
        except NotFoundError:
            return

    async def _nodes(self, params: Mapping[str, str]) -> tuple[CloudNode, ...]:
        page = await self._http.read(f"/v1/{self._cloud}/machines", params)
        return tuple(self._node(row) for row in _listed(self._cloud, page, "machines"))

    def _node(self, row: Mapping[str, Any]) -> CloudNode:
        try:
            return node_from_json(row)
        except ValueError as error:
            raise ProviderDataError(self._cloud, str(error)) from error


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock) -> Provider:
    """The provider that plays cloud ``settings.name`` of the market at ``settings.endpoint``.

    The token comes from HEADRACE_MARKET_TOKEN, else from the file named by option ``token_file``.
    """
    cloud = settings.options.get("cloud", settings.name)
    token_file = settings.options.get("token_file", "")

    def headers() -> Mapping[str, str]:
        token = environ.get(TOKEN_VARIABLE, "")
        if not token and token_file:
            try:
                token = Path(token_file).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise AuthError(cloud, f"the market's token file cannot be read: {error.strerror}") from error
        if not token:
            raise AuthError(cloud, f"no market token: set {TOKEN_VARIABLE} or the option token_file")
        return {"Authorization": f"Bearer {token}"}

    errors = ErrorTable(cloud, {"stockout": StockoutError, "quota": QuotaExceededError, "not_found": NotFoundError})
    endpoint = settings.endpoint or environ.get(URL_VARIABLE, "")
    if not endpoint:
        raise InvalidInputError("endpoint", endpoint, "missing", f"Write where the market answers, or set {URL_VARIABLE}.")
    http = JsonHttp(errors, endpoint, headers, timeout_s=10.0)
    client = SimulatedClient(cloud, settings.account, settings.regions, http)
    return Provider(settings.name, settings.account, f"{cloud} (simulated)", capabilities(cloud), client, client, client)


def _listed(cloud: str, page: Json, name: str) -> Sequence[Mapping[str, Any]]:
    rows = page.get(name) if isinstance(page, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ProviderDataError(cloud, f"the answer has no list {name!r}")
    return rows
