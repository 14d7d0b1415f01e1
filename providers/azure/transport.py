"""Calls to Azure through azure-mgmt-compute, imported when first used, and to the keyless price API.

The SDK is synchronous; the adapter runs it in threads. Errors are mapped here, nothing is understood here.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from providers.azure.errors import ERRORS, mapped
from providers.http import JsonHttp
from providers.rest import rows, walked
from scheduler.domain.ports import Budget, Pace

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.mgmt.compute import ComputeManagementClient

RETAIL_ENDPOINT = "https://prices.azure.com"
RETAIL_API_VERSION = "2023-01-01-preview"
PRICE_PAGES_MAX = 200

Row = Mapping[str, Any]


class AzureApi:
    """One subscription."""

    def __init__(self, subscription: str, endpoint: str = "", credential: TokenCredential | None = None) -> None:
        """``credential`` None takes the default chain; ``endpoint`` "" is Azure's public cloud."""
        self._subscription, self._endpoint, self._credential = subscription, endpoint, credential
        self._client: ComputeManagementClient | None = None
        self._lock = threading.Lock()
        # The bearer policy refuses plain http; the endpoint was checked to be loopback then.
        self._call: dict[str, Any] = {"enforce_https": False} if endpoint.startswith("http://") else {}

    def skus(self, region: str) -> list[Row]:
        """Everything that compute sells in a region."""
        with mapped(f"resourceSkus in {region}"):
            return [sku.as_dict() for sku in self._compute().resource_skus.list(filter=f"location eq '{region}'", **self._call)]

    def usage(self, region: str) -> list[Row]:
        """Core quotas with their use."""
        with mapped(f"usage in {region}"):
            return [each.as_dict() for each in self._compute().usage.list(region, **self._call)]

    def machines(self) -> list[Row]:
        """Every virtual machine of the subscription."""
        with mapped("virtualMachines list"):
            return [machine.as_dict() for machine in self._compute().virtual_machines.list_all(**self._call)]

    def create(self, group: str, name: str, body: Mapping[str, Any], wait_s: float) -> Row:
        """Create one and wait until it is allocated: only the finished operation tells a stockout."""
        from azure.mgmt.compute.models import VirtualMachine

        with mapped("virtualMachines create"):
            machines = self._compute(launching=True).virtual_machines
            poller = machines.begin_create_or_update(group, name, VirtualMachine(body), polling_interval=2, **self._call)
            poller.wait(timeout=wait_s)
            if poller.done():
                found: Row = poller.result().as_dict()
                return found
            # Still creating: it exists, is paid for, and is found by its tag.
            return {"name": name, **body, "properties": {"provisioningState": "Creating"}}

    def delete(self, group: str, name: str) -> None:
        """Start deleting; gone ones are not an error for Azure either."""
        with mapped("virtualMachines delete"):
            self._compute().virtual_machines.begin_delete(group, name, force_deletion=True, polling=False, **self._call)

    def _compute(self, *, launching: bool = False) -> ComputeManagementClient:
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.compute import ComputeManagementClient

        with self._lock:
            if self._credential is None:
                self._credential = DefaultAzureCredential(exclude_interactive_browser_credential=True)
            base: dict[str, Any] = {}
            if self._endpoint:
                base = {"base_url": self._endpoint, "credential_scopes": [f"{self._endpoint}/.default"]}
            if launching:
                # What creates is sent once; the caller looks for the tag before it tries again.
                return ComputeManagementClient(self._credential, self._subscription, retry_total=0, user_agent="headrace", **base)
            if self._client is None:
                self._client = ComputeManagementClient(self._credential, self._subscription, user_agent="headrace", **base)
            return self._client


class RetailPrices:
    """The keyless Retail Prices API."""

    def __init__(self, endpoint: str = RETAIL_ENDPOINT, pace: Pace | None = None) -> None:
        self._http = JsonHttp(ERRORS, endpoint, pace=pace, budget=Budget("azure/retail", per_s=5, burst=10))

    async def in_region(self, region: str) -> list[Row]:
        """Consumption prices of N-series sizes. Raises the ProviderError family."""
        wanted = (
            "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' "
            f"and armRegionName eq '{region}' and startswith(armSkuName, 'Standard_N')"
        )
        first = {"api-version": RETAIL_API_VERSION, "$filter": wanted}

        async def page(following: str) -> tuple[list[Any], str]:
            body = await (self._http.read(following) if following else self._http.read("/api/retail/prices", first))
            return rows("azure", body, "Items"), str(body.get("NextPageLink") or "")

        return [row for row in await walked("azure", page) if isinstance(row, dict)]
