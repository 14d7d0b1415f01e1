"""Latitude.sh behind the provider ports."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.http import JsonHttp
from providers.latitude import parse
from providers.latitude.errors import ERRORS, PROVIDER
from providers.proofs import proof_of
from providers.rest import budget_of, carrying, http_of, key_of, needed, numbered, rows, sifted, understood
from scheduler.domain.errors import InvalidInputError, NotFoundError, ProviderDataError, ProviderError, TransientError
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

ENDPOINT = "https://api.latitude.sh"
JSON_API = "application/vnd.api+json"
PAGE_SIZE = 100
SCOPE = "all"
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class LatitudeProvider:
    """One Latitude.sh project."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._writes = budget_of(settings, "write", per_s=20 / 60, burst=4)

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: the list of plans is not paged."""
        plans = rows(PROVIDER, await self._http.read("/plans"), "data")
        with understood(PROVIDER, "plans"):
            pairs = parse.by_region(plans)
        stamp = parse.Stamp(self._settings.account, self._clock())
        offers, bad = sifted(SCOPE, pairs, parse.name, lambda pair: parse.offers(stamp, pair))
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(SCOPE, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Deploy one server, once, with user data that is made for it. Raises the ProviderError family, InvalidInputError."""
        token, options = request.launch_token, self._settings.options
        if not _HOSTNAME.fullmatch(token):
            raise InvalidInputError("launch_token", token, "no host name", "At most 63 letters, digits and dashes.")
        project = needed(options, "project", "Name the project, by id or slug, that servers are deployed into.")
        script = await self._make_user_data(token, project, request.user_data)
        order: dict[str, Any] = {
            "project": project,
            "plan": request.offer.instance_type.name,
            "site": request.offer.zone,
            "operating_system": options.get("operating_system", "ubuntu_24_04_x64_lts"),
            "hostname": token,
            "user_data": script,
            "billing": "hourly",
        }
        if options.get("ssh_keys"):
            order["ssh_keys"] = [key.strip() for key in options["ssh_keys"].split(",")]
        try:
            made = await self._write("POST", "/servers", {"data": {"type": "servers", "attributes": order}})
        except TransientError:
            raise  # the server may stand and need its user data
        except ProviderError:
            with contextlib.suppress(ProviderError):
                await self._drop_user_data(token)
            raise
        row = made.get("data") if isinstance(made, Mapping) else None
        if not isinstance(row, Mapping) or "id" not in row:
            raise ProviderDataError(PROVIDER, "the answer to a launch names no server")
        return CloudNode(str(row["id"]), token, True, request.offer.region, request.offer.zone, state="deploying")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Servers with that hostname."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every server of the project; the caller knows which hostnames are ours."""
        project = self._settings.options.get("project", "")
        found = await self._all("/servers", {"filter[project]": project} if project else {})
        return tuple(node for node in map(parse.node, found) if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Remove the server and its user data, which holds the join token; what is gone already is no error."""
        with contextlib.suppress(NotFoundError):
            await self._write("DELETE", f"/servers/{node.provider_node_id}")
        await self._drop_user_data(node.launch_token)

    async def _make_user_data(self, token: str, project: str, script: str) -> str:
        content = base64.b64encode(script.encode()).decode()
        attributes = {"description": token, "content": content, "project": project}
        made = await self._write("POST", "/user_data", {"data": {"type": "user_data", "attributes": attributes}})
        row = made.get("data") if isinstance(made, Mapping) else None
        if not isinstance(row, Mapping) or not row.get("id"):
            raise ProviderDataError(PROVIDER, "the answer names no user data")
        return str(row["id"])

    async def _drop_user_data(self, token: str) -> None:
        for row in await self._all("/user_data", {}):
            if (row.get("attributes") or {}).get("description") == token:
                with contextlib.suppress(NotFoundError):
                    await self._write("DELETE", f"/user_data/{row['id']}")

    async def _write(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return await self._http.once(method, path, body=body, budget=self._writes)

    async def _all(self, path: str, params: Mapping[str, str]) -> list[Any]:
        """Every row of a list."""

        async def page(number: int) -> tuple[list[Any], int]:
            body = await self._http.read(path, {**params, "page[size]": str(PAGE_SIZE), "page[number]": str(number)})
            found = rows(PROVIDER, body, "data")
            total = (((body.get("meta") or {}).get("stats") or {}).get("total") or {}).get("count")
            if not isinstance(total, int):
                raise ProviderDataError(PROVIDER, f"{path} does not tell how many rows it has: {total!r}")
            return found, total

        return await numbered(PROVIDER, page, lambda row: row["id"])


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "LATITUDESH_API_KEY")
    http = http_of(
        settings,
        ERRORS,
        ENDPOINT,
        pace,
        per_s=1,
        burst=5,
        headers=lambda: {"Authorization": key(), "Accept": JSON_API, "Content-Type": JSON_API},
    )
    adapter = LatitudeProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.COUNT,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=300,
    )
    return Provider(settings.name, settings.account, "Latitude.sh", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
