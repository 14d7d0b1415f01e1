"""Calls to Compute Engine through google-cloud-compute, imported when first used, and to the billing catalogue.

The SDK blocks, so its calls run in threads. Operations are polled here, against our endpoint: the SDK's own ``.result()`` polls the
public one whatever ``api_endpoint`` says. Errors are mapped here, nothing is understood here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from providers.gcp.errors import ERRORS, PROVIDER, mapped, told
from providers.http import checked_endpoint
from providers.rest import http_of, key_of, rows, settled, walked
from providers.sdk import SdkCalls
from scheduler.domain.errors import AuthError, ProviderDataError, ProviderError, TransientError
from scheduler.domain.ports import Pace, ProviderSettings

BILLING_ENDPOINT = "https://cloudbilling.googleapis.com"
COMPUTE_SERVICE = "services/6F81-5844-456A"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
OPERATION_WAIT_S = 180.0
SERVER_WAIT_S = 130.0
"""Google holds a wait until the operation ends, or for two minutes."""

PAGE_SIZE = 500
NOTHING_WRONG = ("", "NO_RESULTS_ON_PAGE")

Row = dict[str, Any]


class GcpApi:
    """One project."""

    def __init__(self, settings: ProviderSettings, environ: Mapping[str, str], pace: Pace) -> None:
        """The token of GOOGLE_OAUTH_ACCESS_TOKEN, else Application Default Credentials; ``settings.endpoint`` "" is Google."""
        self._endpoint = checked_endpoint("endpoint", settings.endpoint) if settings.endpoint else ""
        self._project = settings.options.get("project") or environ.get("GOOGLE_CLOUD_PROJECT", "")
        self._token, self._credentials = environ.get("GOOGLE_OAUTH_ACCESS_TOKEN", "").strip(), None
        self._calls = SdkCalls(PROVIDER, mapped, settings, pace, per_s=10, burst=20)
        self._how: dict[str, Any] = {"retry": None, "timeout": self._calls.timeout_s}
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    async def machine_types(self) -> tuple[list[Row], dict[str, str]]:
        """Every machine type of every zone, and what Google says of the zones that it could not ask."""
        return await self._aggregated("MachineTypesClient", "machine_types", "AggregatedListMachineTypesRequest")

    async def instances(self, wanted: str) -> list[Row]:
        """Instances of all zones that match a filter. Raises TransientError where a zone could not be asked."""
        found, silent = await self._aggregated("InstancesClient", "instances", "AggregatedListInstancesRequest", filter=wanted)
        if silent:
            zone, why = next(iter(silent.items()))
            raise TransientError(PROVIDER, f"instances of {zone}: {why}")
        return found

    async def region_quotas(self) -> dict[str, list[Row]]:
        """Quotas of every region, by its name."""
        from google.cloud import compute_v1

        client = await self._client("RegionsClient")

        async def page(token: str) -> tuple[Sequence[Any], str]:
            request = compute_v1.ListRegionsRequest(project=self._project, max_results=PAGE_SIZE, page_token=token)
            told = await self._calls.read("regions.list", lambda: next(client.list(request=request, **self._how).pages))
            return [_as_dict(row) for row in told.items], told.next_page_token

        found = await walked(PROVIDER, page)
        return {str(row.get("name", "")): row.get("quotas") or [] for row in found}

    async def spot_advice(self, region: str, machine_type: str) -> list[Row]:
        """What Google recommends to whoever wants one spot machine of a type in any one zone of a region."""
        from google.cloud import compute_v1

        client = await self._client("AdviceClient")
        wanted = {
            "size": 1,
            "distributionPolicy": {"targetShape": "ANY_SINGLE_ZONE"},
            "instanceProperties": {"scheduling": {"provisioningModel": "SPOT"}},
            "instanceFlexibilityPolicy": {"instanceSelections": {"wanted": {"machineTypes": [machine_type]}}},
        }
        resource = compute_v1.CapacityAdviceRequest.from_json(json.dumps(wanted))
        request = compute_v1.CapacityAdviceRpcRequest(
            project=self._project, region=region, capacity_advice_request_resource=resource
        )  # fmt: skip
        told = await self._calls.read("advice.capacity", lambda: _as_dict(client.capacity(request=request, **self._how)))
        return list(told.get("recommendations") or [])

    async def insert(self, zone: str, instance: Mapping[str, Any], request_id: str) -> None:
        """Insert one, once, and wait for its operation: only that tells a stockout."""
        from google.cloud import compute_v1

        client = await self._client("InstancesClient")
        request = compute_v1.InsertInstanceRequest(
            project=self._project,
            zone=zone,
            request_id=request_id,
            instance_resource=compute_v1.Instance.from_json(json.dumps(instance)),
        )
        operation = await self._calls.once("instances.insert", lambda: _as_dict(client.insert_unary(request=request, **self._how)))
        try:
            done = await self._done(zone, operation)
        except TransientError:
            raise
        except ProviderError as error:
            raise TransientError(PROVIDER, f"inserted {instance['name']}, but its operation cannot be followed") from error
        failures = (done.get("error") or {}).get("errors") or []
        if failures:
            code, message = str(failures[0].get("code", "")), str(failures[0].get("message", ""))
            raise ERRORS.error(code, int(done.get("httpErrorStatusCode") or 0), f"instances.insert: {message}")

    async def _done(self, zone: str, operation: Row) -> Row:
        if not operation.get("name"):
            raise ProviderDataError(PROVIDER, "the answer is no operation")
        client, first = await self._client("ZoneOperationsClient"), [operation]
        asked: dict[str, Any] = {"project": self._project, "zone": zone, "operation": operation["name"]}

        async def ask() -> Row:
            if first:
                return first.pop()
            wait = {"retry": None, "timeout": SERVER_WAIT_S}
            return await self._calls.read(
                "zoneOperations.wait", lambda: _as_dict(client.wait(**asked, **wait)), timeout_s=SERVER_WAIT_S
            )  # fmt: skip

        return await settled(PROVIDER, ask, lambda told: told.get("status") != "DONE", wait_s=OPERATION_WAIT_S, every_s=0.5)

    async def get(self, zone: str, name: str) -> Row:
        """One instance."""
        client = await self._client("InstancesClient")
        asked: dict[str, Any] = {"project": self._project, "zone": zone, "instance": name, **self._how}
        return await self._calls.read("instances.get", lambda: _as_dict(client.get(**asked)))

    async def delete(self, zone: str, name: str) -> None:
        """Start deleting one."""
        client = await self._client("InstancesClient")
        asked: dict[str, Any] = {"project": self._project, "zone": zone, "instance": name, **self._how}
        await self._calls.once("instances.delete", lambda: client.delete_unary(**asked))

    async def _aggregated(self, name: str, key: str, request_type: str, **wanted: Any) -> tuple[list[Row], dict[str, str]]:
        """A list of all zones: rows, and warnings by zone."""
        from google.cloud import compute_v1

        client, what, silent = await self._client(name), f"{key}.aggregatedList", dict[str, str]()

        async def page(token: str) -> tuple[Sequence[Any], str]:
            request = getattr(compute_v1, request_type)(project=self._project, max_results=PAGE_SIZE, page_token=token, **wanted)
            told = await self._calls.read(what, lambda: next(client.aggregated_list(request=request, **self._how).pages))
            if not told.items:
                # Google names every zone, those without results too; the SDK reads an answer without its map as an empty one.
                raise ProviderDataError(PROVIDER, f"{what} names no zone")
            found: list[Any] = []
            for scope, inside in told.items.items():
                if inside.warning.code not in NOTHING_WRONG:
                    silent[scope.removeprefix("zones/")] = f"{inside.warning.code}: {inside.warning.message}"
                found += [_as_dict(row) for row in getattr(inside, key)]
            return found, told.next_page_token

        return await walked(PROVIDER, page), silent

    async def _client(self, name: str) -> Any:
        """A client by class name; the first one finds credentials and project."""
        return self._clients.get(name) or await self._calls.ready("credentials", lambda: self._made(name))

    def _made(self, name: str) -> Any:
        from google.api_core.client_options import ClientOptions
        from google.cloud import compute_v1

        with self._lock:
            if self._credentials is None:
                self._credentials = self._found()
            if not self._project:
                raise AuthError(PROVIDER, "the credentials name no project: set options.project")
            if name not in self._clients:
                options = ClientOptions(api_endpoint=self._endpoint) if self._endpoint else None
                create: Callable[..., Any] = getattr(compute_v1, name)
                self._clients[name] = create(credentials=self._credentials, client_options=options)
            return self._clients[name]

    def _found(self) -> Any:
        import google.auth

        if self._token:
            return _given(self._token)
        credentials, project = google.auth.default(scopes=SCOPES)
        self._project = self._project or project or ""
        return credentials


def _given(token: str) -> Any:
    """Credentials of a token that somebody else fetched."""
    from google.auth.exceptions import RefreshError
    from google.oauth2.credentials import Credentials

    refused: Callable[[str], Exception] = RefreshError

    class GivenToken(Credentials):
        """Cannot be renewed: Google refuses it once it has ended."""

        def refresh(self, request: Any) -> None:
            raise refused("Google refuses the token of GOOGLE_OAUTH_ACCESS_TOKEN: fetch another")

    given: Callable[[str], Any] = GivenToken
    return given(token)


def _as_dict(message: Any) -> Row:
    """A vendor message in REST field names."""
    text = type(message).to_json(
        message, use_integers_for_enums=False, preserving_proto_field_name=False, always_print_fields_with_no_presence=False
    )
    found: Row = json.loads(text)
    return found


class BillingCatalogue:
    """The Cloud Billing catalogue, which wants an API key. It goes into a header: queries end up in logs."""

    def __init__(self, settings: ProviderSettings, environ: Mapping[str, str], pace: Pace) -> None:
        key = key_of(PROVIDER, settings.options, environ, "GOOGLE_API_KEY")
        self._url = checked_endpoint("options.billing_endpoint", settings.options.get("billing_endpoint", BILLING_ENDPOINT))
        self._http = http_of(
            settings, ERRORS, BILLING_ENDPOINT, pace, per_s=5, burst=10, headers=lambda: {"X-Goog-Api-Key": key()}, told=told
        )

    async def skus(self) -> list[Row]:
        """Every SKU of Compute Engine. Raises the ProviderError family."""

        async def page(token: str) -> tuple[list[Any], str]:
            params = {"currencyCode": "USD", "pageSize": "5000", **({"pageToken": token} if token else {})}
            body = await self._http.read(f"{self._url}/v1/{COMPUTE_SERVICE}/skus", params)
            return rows(PROVIDER, body, "skus"), str(body.get("nextPageToken") or "")

        return [row for row in await walked(PROVIDER, page) if isinstance(row, dict)]
