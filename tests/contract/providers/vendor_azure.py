"""A fake Azure that answers in Azure's recorded shapes, for Azure's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from providers.azure.adapter import assemble
from providers.azure.transport import AzureApi, RetailPrices
from scheduler.domain.offer import Offer
from scheduler.domain.ports import LaunchRequest, OfferPage, Provider, ProviderSettings
from simulations.vendors.server import Answer, Asked, FakeVendor

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SUB = "/subscriptions/sub-1"
VM = SUB + r"/resourceGroups/(?P<group>[^/]+)/providers/Microsoft.Compute/virtualMachines/(?P<name>[^/]+)"


def sku(name: str, family: str, gpus: str, *, zones: tuple[str, ...] = ("1", "2"), restrictions: list[Any] | None = None) -> dict[str, Any]:
    abilities = {"vCPUs": "4", "MemoryGB": "28", "GPUs": gpus, "LowPriorityCapable": "True"}
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "family": family,
        "locations": ["eastus"],
        "locationInfo": [{"location": "eastus", "zones": list(zones)}],
        "capabilities": [{"name": key, "value": value} for key, value in abilities.items()],
        "restrictions": restrictions or [],
    }


def price(name: str, usd: object, sku_name: str = "", product: str = "Virtual Machines NCasT4 v3 Series", **more: Any) -> dict[str, Any]:
    return {
        "currencyCode": "USD",
        "retailPrice": usd,
        "armSkuName": name,
        "skuName": sku_name or name,
        "meterName": sku_name or name,
        "productName": product,
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        **more,
    }


T4, H100, V100 = "Standard_NC4as_T4_v3", "Standard_NC40ads_H100_v5", "Standard_NC6s_v3"
BLOCKED = [{"type": "Location", "values": ["eastus"], "reasonCode": "NotAvailableForSubscription"}]
ZONE_1_BLOCKED = [{"type": "Zone", "values": ["eastus"], "restrictionInfo": {"locations": ["eastus"], "zones": ["1"]}}]
SKUS = [
    sku(T4, "standardNCASv3_T4Family", "1", restrictions=ZONE_1_BLOCKED),
    sku(H100, "standardNCadsH100v5Family", "1", zones=()),
    sku(V100, "standardNCSv3Family", "1", zones=(), restrictions=BLOCKED),
    sku("Standard_NV12ads_A10_v5", "standardNVADSA10v5Family", "1"),
    sku("Standard_ND999_X", "standardNDX", "8"),
    sku("Standard_D4s_v5", "standardDSv5Family", "0"),
    {"resourceType": "disks", "name": "Premium_LRS"},
]
PRICES = [
    [price(T4, 0.526), price(T4, 0.204246, "NC4as T4 v3 Spot"), price(T4, 0.1, "NC4as T4 v3 Low Priority")],
    [price(T4, 0.9, product="Virtual Machines NCasT4 v3 Series Windows"), price(H100, 0.0), price(H100, float("nan"), "NC40 Spot")],
    [price(V100, 3.06), price(V100, 3.0, unitOfMeasure="1/Month"), price("Standard_D4s_v5", 0.2)],
]


class Azure:
    """State of the fake subscription."""

    def __init__(self) -> None:
        self.machines: dict[str, dict[str, Any]] = {}
        self.allocation: dict[str, Any] | None = None
        self.vendor = FakeVendor(
            [
                ("GET", SUB + "/providers/Microsoft.Compute/skus", lambda asked: Answer({"value": SKUS})),
                ("GET", SUB + "/providers/Microsoft.Compute/locations/eastus/usages", self.usage),
                ("GET", SUB + "/providers/Microsoft.Compute/virtualMachines", self.list),
                ("PUT", VM, self.create),
                ("GET", VM, lambda asked: Answer(self.machines[asked.parts["name"]])),
                ("DELETE", VM, self.delete),
                ("GET", SUB + "/operations/1", self.operation),
                ("GET", "/api/retail/prices", self.prices),
            ]
        )

    def prices(self, asked: Asked) -> Answer:
        page = int(asked.query.get("page", "0"))
        link = f"{self.vendor.url}/api/retail/prices?page={page + 1}" if page + 1 < len(PRICES) else None
        assert page or "armRegionName eq 'eastus'" in asked.query["$filter"]
        return Answer({"Items": PRICES[page], "NextPageLink": link, "Count": len(PRICES[page])})

    def usage(self, asked: Asked) -> Answer:
        rows = [("standardNCASv3_T4Family", 24, 64), ("lowPriorityCores", 4, 40), ("cores", 30, 350)]
        value = [{"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name}} for name, used, limit in rows]
        return Answer({"value": value})

    def list(self, asked: Asked) -> Answer:
        return Answer({"value": list(self.machines.values())})

    def create(self, asked: Asked) -> Answer:
        name = asked.parts["name"]
        assert asked.headers["authorization"] == "Bearer testing"
        machine = {**asked.body, "name": name, "id": asked.path}
        machine["properties"] = {**asked.body["properties"], "provisioningState": "Succeeded"}
        self.machines[name] = machine
        if self.allocation is None:
            return Answer(machine, 201)
        headers = {"Azure-AsyncOperation": f"{self.vendor.url}{SUB}/operations/1", "Retry-After": "0"}
        return Answer({**machine, "properties": {**machine["properties"], "provisioningState": "Creating"}}, 201, headers)

    def operation(self, asked: Asked) -> Answer:
        return Answer({"status": "Failed", "error": self.allocation})

    def delete(self, asked: Asked) -> Answer:
        return Answer({}, 202 if self.machines.pop(asked.parts["name"], None) else 204)


class Credential:
    """A signed-in identity."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("testing", 4_102_444_800)

    def close(self) -> None:
        return


class NoCredential(Credential):
    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        raise ClientAuthenticationError("nobody is signed in")


@pytest.fixture
def azure() -> Iterator[Azure]:
    fake = Azure()
    with fake.vendor:
        yield fake


def account(azure: Azure, credential: Credential | None = None, **options: str) -> Provider:
    wanted = {"resource_group": "nodes", "image": "img", "subnet": "net", "ssh_public_key": "ssh-ed25519 AAAA", **options}
    settings = ProviderSettings("azure", "azure", account="main", regions=("eastus",), options=wanted)
    api = AzureApi("sub-1", azure.vendor.url, credential or Credential())
    return assemble(settings, api, RetailPrices(azure.vendor.url), lambda: NOW)


async def pages(source: Provider) -> list[OfferPage]:
    return [page async for page in source.offers.read_offers()]


async def offer(source: Provider, part: str = f"{T4}/spot") -> Offer:
    (page,) = await pages(source)
    return next(each for each in page.offers if each.id.endswith(part))


async def request(source: Provider) -> LaunchRequest:
    return LaunchRequest("node-1", "azure-eastus", "Token_1", await offer(source), "#!/bin/sh\n")
