"""Crusoe behind the provider ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.crusoe import parse
from providers.crusoe.errors import ERRORS, PROVIDER
from providers.crusoe.launch import order
from providers.crusoe.transport import CrusoeAuth
from providers.http import JsonHttp
from providers.proofs import proof_of
from providers.rest import carrying, http_of, needed, rows, settled, sifted, understood, walked
from scheduler.domain.errors import NotFoundError, ProviderError, TransientError
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

ENDPOINT = "https://api.cloud.crusoe.ai/v1"
OPERATION_WAIT_S = 120.0
PAGE_SIZE = 100
SCOPE = "all"


class CrusoeProvider:
    """One Crusoe project."""

    def __init__(self, settings: ProviderSettings, project: str, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._machines = f"/projects/{project}/compute/vms/instances"
        self._types = f"/projects/{project}/compute/vms/types"

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: what exists, and how much of it each location has."""
        types = rows(PROVIDER, await self._http.read(self._types), "items")
        capacities = rows(PROVIDER, await self._http.read("/capacities"), "items")
        with understood(PROVIDER, "machine types"):
            by_name = {str(row["product_name"]): row for row in types}
        reading = parse.Reading(self._settings.account, self._clock(), by_name, self._settings.options)
        offers, bad = sifted(
            SCOPE,
            sorted(capacities, key=parse.quantity),
            lambda row: f"{row['type']} in {row['location']}",
            lambda row: parse.offers(reading, row),
        )
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(SCOPE, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Launch one machine, once, and wait for its operation: only that tells a stockout.

        Raises the ProviderError family, InvalidInputError.
        """
        started = await self._http.once("POST", self._machines, body=order(request, self._settings.options))
        operation, machine = _operation(started)
        try:
            done = await settled(
                PROVIDER,
                lambda: self._http.read(f"{self._machines}/operations/{operation['operation_id']}"),
                lambda answer: answer.get("state") == "IN_PROGRESS",
                wait_s=OPERATION_WAIT_S,
            )
            _succeeded(done)
        except TransientError:
            raise  # it may well come up: the caller looks for the token
        except ProviderError:
            with contextlib.suppress(ProviderError):
                await self._http.once("DELETE", f"{self._machines}/{machine}")
            raise
        zone = request.offer.zone
        return CloudNode(machine, request.launch_token, True, zone, zone, state="STATE_RUNNING")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """Machines with that name."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine of the project; the caller knows which names are ours."""
        found = map(parse.node, await walked(PROVIDER, self._page))
        return tuple(node for node in found if node.launch_token)

    async def _page(self, token: str) -> tuple[list[Any], str]:
        body = await self._http.read(self._machines, {"limit": str(PAGE_SIZE), **({"next_token": token} if token else {})})
        return rows(PROVIDER, body, "items"), str(body.get("next_page_token") or "")

    async def terminate(self, node: CloudNode) -> None:
        """Delete it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("DELETE", f"{self._machines}/{node.provider_node_id}")


def _operation(started: Any) -> tuple[Mapping[str, Any], str]:
    """The operation of a launch and its machine's id."""
    with understood(PROVIDER, "the answer to a launch"):
        return started["operation"], str(started["operation"]["metadata"]["id"])


def _succeeded(operation: Mapping[str, Any]) -> None:
    """Raises what a failed operation's result means."""
    if operation.get("state") == "SUCCEEDED":
        return
    result = operation.get("result") or {}
    raise ERRORS.error(str(result.get("code") or ""), 0, f"launch {operation.get('state')}: {result.get('message', '')}")


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    project = needed(settings.options, "project", "Write the id of the project.")
    auth = CrusoeAuth(environ, clock)
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=5, burst=5, auth=lambda: auth)
    adapter = CrusoeProvider(settings, project, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.COUNT,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "Crusoe Cloud", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
