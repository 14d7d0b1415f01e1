"""Calls to Compute Engine through google-cloud-compute, imported when first used, and to the billing catalogue.

The SDK is synchronous; the adapter runs it in threads. Operations are polled here, against our endpoint: the SDK's own
``.result()`` polls the public one whatever ``api_endpoint`` says. Errors are mapped here, nothing is understood here.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from providers.gcp.errors import ERRORS, mapped
from providers.http import JsonHttp
from providers.rest import rows, walked
from scheduler.domain.errors import AuthError, TransientError
from scheduler.domain.ports import Budget, Pace

BILLING_ENDPOINT = "https://cloudbilling.googleapis.com"
COMPUTE_SERVICE = "services/6F81-5844-456A"
PAGES_MAX = 200
OPERATION_WAIT_S = 180.0

Row = dict[str, Any]


class GcpApi:
    """One project."""

    def __init__(self, project: str, endpoint: str = "", credentials: Any = None) -> None:
        """``credentials`` None takes Application Default Credentials, ``project`` "" theirs; ``endpoint`` "" is Google."""
        self._project, self._endpoint, self._credentials = project, endpoint, credentials
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def machine_types(self) -> list[Row]:
        """Every machine type of every zone."""
        return self._aggregated("MachineTypesClient", "machine_types", "AggregatedListMachineTypesRequest")

    def instances(self, wanted: str) -> list[Row]:
        """Instances of all zones that match a filter."""
        return self._aggregated("InstancesClient", "instances", "AggregatedListInstancesRequest", filter=wanted)

    def region_quotas(self) -> dict[str, list[Row]]:
        """Quotas of every region, by its name."""
        with mapped("regions.list"):
            regions = [_as_dict(row) for row in self._client("RegionsClient").list(project=self._project_of(), timeout=60)]
        return {str(row.get("name", "")): row.get("quotas") or [] for row in regions}

    def insert(self, zone: str, instance: Mapping[str, Any], request_id: str) -> Row:
        """Insert one, once, and wait for its operation: only that tells a stockout."""
        from google.cloud import compute_v1

        with mapped("instances.insert"):
            request = compute_v1.InsertInstanceRequest(
                project=self._project,
                zone=zone,
                request_id=request_id,
                instance_resource=compute_v1.Instance.from_json(json.dumps(instance)),
            )
            operation = self._client("InstancesClient").insert_unary(request=request, retry=None, timeout=60)
        self._wait(zone, _as_dict(operation))
        return self.get(zone, str(instance["name"]))

    def get(self, zone: str, name: str) -> Row:
        """One instance."""
        with mapped("instances.get"):
            return _as_dict(self._client("InstancesClient").get(project=self._project, zone=zone, instance=name, timeout=30))

    def delete(self, zone: str, name: str) -> None:
        """Start deleting one."""
        with mapped("instances.delete"):
            self._client("InstancesClient").delete_unary(project=self._project, zone=zone, instance=name, timeout=30)

    def _wait(self, zone: str, operation: Row) -> None:
        deadline = time.monotonic() + OPERATION_WAIT_S
        while operation.get("status") != "DONE":
            if time.monotonic() > deadline:
                raise TransientError("gcp", f"operation {operation.get('name')} is not done after {OPERATION_WAIT_S:.0f} s")
            with mapped("zoneOperations.wait"):
                # The server holds this call until the operation ends or two minutes pass.
                client = self._client("ZoneOperationsClient")
                operation = _as_dict(client.wait(project=self._project, zone=zone, operation=operation["name"], timeout=130))
        errors = (operation.get("error") or {}).get("errors") or []
        if errors:
            code, message = str(errors[0].get("code", "")), str(errors[0].get("message", ""))
            raise ERRORS.error(code, int(operation.get("httpErrorStatusCode") or 0), f"instances.insert: {message}")

    def _aggregated(self, client: str, key: str, request_type: str, **arguments: Any) -> list[Row]:
        from google.cloud import compute_v1

        with mapped(f"{key}.aggregatedList"):
            request = getattr(compute_v1, request_type)(
                project=self._project_of(), max_results=500, **arguments
            )  # fmt: skip
            pages = self._client(client).aggregated_list(request=request, timeout=60)
            return [_as_dict(row) for _, scoped in pages for row in getattr(scoped, key)]

    def _project_of(self) -> str:
        self._client("RegionsClient")
        return self._project

    def _client(self, name: str) -> Any:
        """A client by class name; the first one finds credentials and project."""
        import google.auth
        from google.api_core.client_options import ClientOptions
        from google.cloud import compute_v1

        with self._lock:
            if self._credentials is None:
                scopes = ["https://www.googleapis.com/auth/cloud-platform"]
                with mapped("credentials"):
                    self._credentials, project = google.auth.default(scopes=scopes)
                self._project = self._project or project or ""
            if not self._project:
                raise AuthError("gcp", "the credentials name no project: set options.project")
            if name not in self._clients:
                options = ClientOptions(api_endpoint=self._endpoint) if self._endpoint else None
                create: Callable[..., Any] = getattr(compute_v1, name)
                self._clients[name] = create(credentials=self._credentials, client_options=options)
            return self._clients[name]


class BillingCatalogue:
    """The Cloud Billing catalogue, which wants an API key."""

    def __init__(self, api_key: Callable[[], str], endpoint: str = BILLING_ENDPOINT, pace: Pace | None = None) -> None:
        # The key goes into a header: queries end up in logs.
        budget = Budget("gcp/billing", per_s=5, burst=10)
        self._http = JsonHttp(ERRORS, endpoint, lambda: {"X-Goog-Api-Key": api_key()}, pace=pace, budget=budget)

    async def skus(self) -> list[Row]:
        """Every SKU of Compute Engine. Raises the ProviderError family."""

        async def page(token: str) -> tuple[list[Any], str]:
            params = {"currencyCode": "USD", "pageSize": "5000", **({"pageToken": token} if token else {})}
            body = await self._http.read(f"/v1/{COMPUTE_SERVICE}/skus", params)
            return rows("gcp", body, "skus"), str(body.get("nextPageToken") or "")

        return [row for row in await walked("gcp", page) if isinstance(row, dict)]


def _as_dict(message: Any) -> Row:
    """A vendor message in REST field names."""
    text = type(message).to_json(
        message, use_integers_for_enums=False, preserving_proto_field_name=False, always_print_fields_with_no_presence=False
    )
    found: Row = json.loads(text)
    return found
