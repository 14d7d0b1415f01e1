"""Calls to Azure through azure-mgmt-compute, imported when first used, and to the keyless price API.

The SDK blocks, so its calls run in threads. Errors are mapped here, nothing is understood here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from providers.azure.errors import ERRORS, PROVIDER, mapped
from providers.http import JsonHttp, checked_endpoint
from providers.rest import budget_of, rows, timeout_of, walked
from providers.sdk import SdkCalls
from scheduler.domain.errors import ProviderDataError, ProviderError, TransientError
from scheduler.domain.ports import Pace, ProviderSettings

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, TokenCredential
    from azure.core.paging import ItemPaged
    from azure.core.pipeline import PipelineResponse
    from azure.core.polling import LROPoller
    from azure.mgmt.compute import ComputeManagementClient

RETAIL_ENDPOINT = "https://prices.azure.com"
RETAIL_API_VERSION = "2023-01-01-preview"
CREATE_WAIT_S = 180.0
NEVER = 4_102_444_800
"""When a given token ends: Azure says so by refusing it."""

Row = Mapping[str, Any]


class GivenToken:
    """A token that somebody else fetched."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **rest: Any) -> AccessToken:
        """What azure-core asks for."""
        from azure.core.credentials import AccessToken

        return AccessToken(self._token, NEVER)


class AzureApi:
    """One subscription."""

    def __init__(self, subscription: str, settings: ProviderSettings, environ: Mapping[str, str], pace: Pace) -> None:
        """The token of AZURE_ACCESS_TOKEN, else the default chain; ``settings.endpoint`` "" is Azure's public cloud."""
        self._subscription, self._token = subscription, environ.get("AZURE_ACCESS_TOKEN", "").strip()
        self._endpoint = checked_endpoint("endpoint", settings.endpoint) if settings.endpoint else ""
        # The bearer policy refuses plain http; the endpoint was checked to be loopback then.
        self._call: dict[str, Any] = {"enforce_https": False} if self._endpoint.startswith("http://") else {}
        self._calls = SdkCalls(PROVIDER, mapped, settings, pace, per_s=8, burst=20)
        self._client: ComputeManagementClient | None = None

    async def skus(self, region: str, keep: Callable[[Row], bool]) -> list[Row]:
        """What ``keep`` wants of all that compute sells in a region; the rest, tens of megabytes, is let go page by page."""
        wanted = f"location eq '{region}'"
        return await self._listed(f"resourceSkus in {region}", lambda client, call: client.resource_skus.list(filter=wanted, **call), keep)

    async def usage(self, region: str) -> list[Row]:
        """Core quotas with their use."""
        return await self._listed(f"usage in {region}", lambda client, call: client.usage.list(region, **call))

    async def machines(self) -> list[Row]:
        """Every virtual machine of the subscription."""
        return await self._listed("virtualMachines list", lambda client, call: client.virtual_machines.list_all(**call))

    async def create(self, group: str, name: str, body: Row) -> Row:
        """Create one, once, and wait until it is allocated: only the finished operation tells a stockout.

        Raises:
            TransientError: what became of it is not known.
            ProviderError: of a failed operation, after what it left behind was deleted.
        """
        from azure.mgmt.compute.models import VirtualMachine

        client, call = await self._compute(), "virtualMachines create"
        poller = await self._calls.once(
            call,
            lambda: client.virtual_machines.begin_create_or_update(group, name, VirtualMachine(body), polling_interval=2, **self._call),
        )
        try:
            return await self._calls.once(call, lambda: _outcome(poller), timeout_s=CREATE_WAIT_S)
        except TransientError:
            raise
        except ProviderError as failed:
            try:
                await self.delete(group, name)
            except ProviderError as error:
                raise TransientError(PROVIDER, f"{name} failed ({failed.code}) and is still there") from error
            raise

    async def delete(self, group: str, name: str) -> None:
        """Start deleting; gone ones are not an error for Azure either."""
        client = await self._compute()
        await self._calls.once(
            "virtualMachines delete",
            lambda: client.virtual_machines.begin_delete(group, name, force_deletion=True, polling=False, **self._call),
        )

    async def _listed(
        self,
        what: str,
        ask: Callable[[ComputeManagementClient, dict[str, Any]], ItemPaged[Any]],
        keep: Callable[[Row], bool] = lambda row: True,
    ) -> list[Row]:
        client, call = await self._compute(), {**self._call, "raw_response_hook": lambda response: _sift(response, keep)}

        async def page(following: str) -> tuple[list[Row], str]:
            return await self._calls.read(what, lambda: _page(ask(client, call), self._ours(following), keep))

        return await walked(PROVIDER, page)

    def _ours(self, link: str) -> str:
        """A link of an answer: followed only to where our token belongs."""
        host = urlsplit(self._endpoint or "https://management.azure.com").netloc
        if link and urlsplit(link).netloc != host:
            raise ProviderDataError(PROVIDER, f"an answer links to {urlsplit(link).netloc}")
        return link

    async def _compute(self) -> ComputeManagementClient:
        if self._client is None:
            self._client = await self._calls.ready("credentials", self._made)
        return self._client

    def _made(self) -> ComputeManagementClient:
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.compute import ComputeManagementClient

        given: TokenCredential | None = GivenToken(self._token) if self._token else None
        credential = given or DefaultAzureCredential(exclude_interactive_browser_credential=True)
        how: dict[str, Any] = {"connection_timeout": self._calls.timeout_s, "read_timeout": self._calls.timeout_s}
        if self._endpoint:
            how |= {"base_url": self._endpoint, "credential_scopes": [f"{self._endpoint}/.default"]}
        # Reads are repeated above, launches never.
        return ComputeManagementClient(credential, self._subscription, retry_total=0, user_agent="headrace", **how)


def _sift(response: PipelineResponse[Any, Any], keep: Callable[[Row], bool]) -> None:
    """Before the SDK makes objects of a page's rows: those that nobody wants are let go. It decodes an answer once, so it sees the rest.

    Raises:
        ProviderDataError: a page without its list, which the SDK takes for an empty one.
    """
    if response.http_response.status_code == 200:
        found = rows(PROVIDER, response.http_response.json(), "value")
        found[:] = [row for row in found if not isinstance(row, dict) or keep(row)]


def _page(found: ItemPaged[Any], link: str, keep: Callable[[Row], bool]) -> tuple[list[Row], str]:
    pages = found.by_page(link or None)
    page = [row.as_dict() for row in next(pages) if keep(row)]
    return page, getattr(pages, "continuation_token", None) or ""


def _outcome(poller: LROPoller[Any]) -> Row:
    """The machine. A failed operation is told with success; every other error says nothing about the machine."""
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        made: Row = poller.result().as_dict()
    except AzureError as error:
        if isinstance(error, HttpResponseError) and error.status_code == 200 and error.error is not None:
            raise
        raise TransientError(PROVIDER, f"created, but its operation cannot be followed: {type(error).__name__}") from error
    return made


class RetailPrices:
    """The keyless Retail Prices API."""

    def __init__(self, settings: ProviderSettings, pace: Pace) -> None:
        endpoint = settings.options.get("retail_endpoint", RETAIL_ENDPOINT)
        budget = budget_of(settings, "retail", per_s=5, burst=10)
        self._http = JsonHttp(ERRORS, endpoint, pace=pace, budget=budget, timeout_s=timeout_of(settings))

    async def in_region(self, region: str) -> list[Row]:
        """Consumption prices of N-series sizes. Raises the ProviderError family."""
        wanted = (
            "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' "
            f"and armRegionName eq '{region}' and startswith(armSkuName, 'Standard_N')"
        )
        first = {"api-version": RETAIL_API_VERSION, "$filter": wanted}

        async def page(following: str) -> tuple[list[Any], str]:
            body = await (self._http.read(following) if following else self._http.read("/api/retail/prices", first))
            return rows(PROVIDER, body, "Items"), str(body.get("NextPageLink") or "")

        return [row for row in await walked(PROVIDER, page) if isinstance(row, dict)]
