"""Azure, played: sizes with restrictions, keyless prices, machines created by asynchronous operations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from scheduler.domain.offer import Availability
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Estate, Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, PageExpiredError, Product, RefusedError, Seen, bearer
from simulations.vendors.server import FakeVendor, Route

TOKEN = "fake-access-token"  # noqa: S105 - the fake's own
SUBSCRIPTION = "00000000-0000-4000-8000-00000000fa4e"
SUB = f"/subscriptions/{SUBSCRIPTION}"
COMPUTE = f"{SUB}/providers/Microsoft.Compute"
GROUP = "nodes"
VM = f"{SUB}/resourceGroups/(?P<group>[^/]+)/providers/Microsoft.Compute/virtualMachines/(?P<name>[^/]+)"
REGIONS = ("eastus", "westeurope")
PAGE_ROWS = 3
VENDOR_PAGE_ROWS = 1000
CHECKED_ROWS = 100
"""Of one page. What makes a page longer is a thousand times the same row."""
VENDOR_SKU_BYTES = 30 * 10**6
CODES = {401: "InvalidAuthenticationToken", 404: "ResourceNotFound", 429: "TooManyRequests", 500: "InternalServerError",
         503: "ServiceUnavailable"}  # fmt: skip
FAMILIES = {"_T4_v3": "standardNCASv3_T4Family", "H100_v5": "standardNDSH100v5Family", "A100_v4": "StandardNCADSA100v4Family"}
USAGE = {"standardNCASv3_T4Family": (24, 64), "lowPriorityCores": (4, 40), "cores": (30, 350)}

Row = dict[str, Any]


class Azure(Fake):
    """``management.azure.com`` and ``prices.azure.com`` behind one address."""

    kind = "azure"
    sdk = "azure-mgmt-compute"
    schema = "models of azure-mgmt-compute"
    paged = True
    regional = True
    late_stockouts = True
    names_gpus = False

    def __init__(self, estate: Estate | None = None) -> None:
        super().__init__(estate)
        self._url = ""
        self.page_rows, self.sku_list_bytes = PAGE_ROWS, 0
        self._others: dict[str, list[Row]] = {}
        self.operations: dict[str, Row] = {}

    @classmethod
    def products(cls) -> Sequence[Product]:
        one, two, west = "eastus-1", "eastus-2", "westeurope"
        return (
            Product("Standard_ND96isr_H100_v5", "H100", 8, 80, 96, 1900, 98.32, {one: 1, west: 0}, 39.3),
            Product("Standard_NC4as_T4_v3", "T4", 1, 16, 4, 28, 0.526, {two: 4, west: 4}, 0.204246),
            Product("Standard_NC24ads_A100_v4", "A100", 1, 80, 24, 220, 3.673, {one: 2, two: 1}, None),
        )

    def settings(self, url: str) -> ProviderSettings:
        self._url = url
        options = {"subscription": SUBSCRIPTION, "retail_endpoint": url, "resource_group": GROUP}
        options |= {"image": "/images/gpu", "subnet": "/subnets/nodes", "ssh_public_key": "ssh-ed25519 AAAA"}
        return ProviderSettings("azure", "azure", account="main", endpoint=url, regions=REGIONS, options=options)

    def grow(self) -> None:
        self.page_rows, self.sku_list_bytes = VENDOR_PAGE_ROWS, VENDOR_SKU_BYTES

    def environ(self) -> Mapping[str, str]:
        return {"AZURE_ACCESS_TOKEN": TOKEN}

    def serve(self, *, latency_s: float = 0.0) -> FakeVendor:
        server = super().serve(latency_s=latency_s)
        self._url = server.url
        return server

    def routes(self) -> list[Route]:
        calls = [
            ("GET", f"{COMPUTE}/skus", self._skus),
            ("GET", f"{COMPUTE}/locations/(?P<region>[^/]+)/usages", self._usage),
            ("GET", f"{COMPUTE}/locations/(?P<region>[^/]+)/operations/(?P<id>[^/]+)", self._operation),
            ("GET", f"{COMPUTE}/virtualMachines", self._machines),
            ("GET", VM, self._one),
            ("PUT", VM, self._create),
            ("DELETE", VM, self._delete),
        ]
        signed_in: list[Route] = [(method, path, self._for_the_signed_in(call)) for method, path, call in calls]
        return [("GET", "/api/retail/prices", self._prices), *signed_in]

    def _for_the_signed_in(self, call: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        def checked(asked: Asked) -> Answer:
            if not bearer(asked, TOKEN):
                return self.spoilt(401)
            if not re.fullmatch(r"20\d\d-\d\d-\d\d", asked.query.get("api-version", "")):
                return refused(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
            return call(asked)

        return checked

    def spoilt(self, status: int) -> Answer:
        return refused(status, CODES[status])

    def region_of(self, asked: Asked) -> str:
        found = re.search(r"(?:location|armRegionName) eq '([a-z0-9]+)'", asked.query.get("$filter", ""))
        return found[1] if found else ""

    # the catalogue --------------------------------------------------------------------------------------------------------------

    def _page(self, found: Sequence[Row], asked: Asked, key: str = "value", link: str = "nextLink") -> Answer:
        """A page with a link to the next; the link repeats what was asked."""
        try:
            shown, following = self.estate.page(found, asked.query.get("$skiptoken", ""), self.page_rows)
        except PageExpiredError:
            return refused(400, "InvalidSkipToken", "The skip token is no longer valid.")
        told: Row = {key: shown}
        if following:
            told[link] = f"{self._url}{asked.path}?{urlencode({**asked.query, '$skiptoken': following})}"
        return Answer(told)

    def _skus(self, asked: Asked) -> Answer:
        region = self.region_of(asked)
        cpu = Product("Standard_D4s_v5", "", 0, 0, 4, 16, 0.192, {"eastus-1": 9, "westeurope": 9})
        found = [_sku(each, region) for each in (*self.estate.products, cpu) if _sold(each, region)]
        disks = {"resourceType": "disks", "name": "Premium_LRS", "tier": "Premium", "locations": [region]}
        return self._page([disks, *found, *self._not_for_us(region)], asked)

    def _not_for_us(self, region: str) -> Sequence[Row]:
        """Disks, snapshots and machines without GPUs, which are most of what Azure lists."""
        if region not in self._others:
            one = _other(0, region)
            self._others[region] = [_other(number, region) for number in range(-(-self.sku_list_bytes // len(json.dumps(one))))]
        return self._others[region]

    def _prices(self, asked: Asked) -> Answer:
        if "priceType eq 'Consumption'" not in asked.query["$filter"]:
            return refused(400, "BadRequest", "The fake wants a filter on consumption.")
        region = self.region_of(asked)
        found = [row for each in self.estate.products if _sold(each, region) for row in _priced(each, region)]
        answer = self._page(found, asked, "Items", "NextPageLink")
        return Answer({"BillingCurrency": "USD", "NextPageLink": None, "Count": self.page_rows, **answer.body}, answer.status)

    def _usage(self, asked: Asked) -> Answer:
        rows = [
            {"unit": "Count", "currentValue": used, "limit": limit, "name": {"value": name, "localizedValue": name}}
            for name, (used, limit) in USAGE.items()
        ]
        return self._page(rows, asked)

    # machines -------------------------------------------------------------------------------------------------------------------

    def _create(self, asked: Asked) -> Answer:
        order, region, name = asked.body, asked.body["location"], asked.parts["name"]
        properties, zones = order["properties"], order.get("zones", [])
        size, spot = properties["hardwareProfile"]["vmSize"], properties.get("priority") == "Spot"
        place = f"{region}-{zones[0]}" if zones else region
        product = {each.name: each for each in self.estate.products}.get(size)
        if asked.parts["group"] != GROUP:
            return refused(404, "ResourceGroupNotFound", f"Resource group '{asked.parts['group']}' could not be found.")
        if product is None or not _sold(product, region) or (spot and product.spot_usd_per_h is None):
            return refused(400, "InvalidParameter", f"The value {size} is not valid for hardwareProfile.vmSize in {region}.")
        if place not in product.stock:
            return refused(400, "ZonesNotSupportedForSku", f"{size} is not available in zone {zones}.")
        if not properties["osProfile"].get("customData") or not properties["networkProfile"].get("networkApiVersion"):
            return refused(400, "InvalidParameter", "Required parameter is missing.")
        words = {"name": name, "region": region, "order": json.dumps(order)}
        code = ""
        try:
            machine = self.estate.create(size, place, spot=spot, words=words, token=name)
        except RefusedError as refusal:
            if refusal.refusal is Refusal.QUOTA:
                message = "Operation could not be completed as it results in exceeding approved standardNCASv3_T4Family Cores quota."
                return refused(409, "OperationNotAllowed", message)
            machine = Machine(f"failed-{name}", size, place, spot, words | {"token": name}, running=False, failed=True)
            self.estate.machines[machine.id] = machine
        if machine.failed:
            code = "AllocationFailed"
        self.operations[machine.id] = _operation(machine, code)
        link = f"{self._url}{COMPUTE}/locations/{region}/operations/{machine.id}?api-version=2024-07-01"
        made = _machine(machine)
        made["properties"]["provisioningState"] = "Creating"
        return Answer(made, 201, {"Azure-AsyncOperation": link, "Retry-After": "1"})

    def _operation(self, asked: Asked) -> Answer:
        return Answer(self.operations[asked.parts["id"]])

    def _machines(self, asked: Asked) -> Answer:
        return self._page([_machine(each) for each in self.estate.machines.values() if each.running or each.failed], asked)

    def _one(self, asked: Asked) -> Answer:
        name = asked.parts["name"]
        found = [each for each in self.estate.machines.values() if each.words["name"] == name and (each.running or each.failed)]
        return Answer(_machine(found[0])) if found else refused(404, "ResourceNotFound", f"The Resource '{name}' was not found.")

    def _delete(self, asked: Asked) -> Answer:
        name = asked.parts["name"]
        found = [each for each in self.estate.machines.values() if each.words["name"] == name and (each.running or each.failed)]
        for machine in found:
            self.estate.delete(machine.id)
            machine.failed = False
            del self.estate.machines[machine.id]
        return Answer("", 202 if found else 204)

    # the vendor's own view ------------------------------------------------------------------------------------------------------

    def check(self, asked: Asked, answer: Answer) -> None:
        """Azure's own models read orders and answers, and know every field."""
        from azure.mgmt.compute import models

        if answer.status >= 400 or asked.path.startswith("/api/"):
            return
        if asked.method == "PUT":
            _known(models.VirtualMachine(asked.body))
            _known(models.VirtualMachine(answer.body))
        kinds = {"skus": models.ResourceSku, "usages": models.Usage, "virtualMachines": models.VirtualMachine}
        kind = kinds.get(asked.path.rsplit("/", 1)[-1])
        if kind is not None:
            for row in answer.body["value"][:CHECKED_ROWS]:
                _known(kind(row))

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """The SDK knows no prices, and of stock only where a size is not sold to this subscription."""
        from azure.core.credentials import AccessToken
        from azure.mgmt.compute import ComputeManagementClient

        class SignedIn:
            def get_token(self, *scopes: str, **rest: Any) -> AccessToken:
                return AccessToken(TOKEN, 4_102_444_800)

        client: Any = ComputeManagementClient(SignedIn(), SUBSCRIPTION, base_url=url, credential_scopes=[f"{url}/.default"])
        for region in REGIONS:
            for sku in client.resource_skus.list(filter=f"location eq '{region}'", enforce_https=False):
                able = {each.name: each.value for each in sku.capabilities or []}
                if able.get("GPUs", "0") == "0":
                    continue
                blocked = {zone for each in sku.restrictions or [] if each.type == "Zone" for zone in each.restriction_info.zones}
                gone = any(each.type == "Location" for each in sku.restrictions or [])
                zones = set(sku.location_info[0].zones or []) - blocked
                for place in [f"{region}-{zone}" for zone in zones] or [region]:
                    for spot in (False, True)[: 2 if able["LowPriorityCapable"] == "True" else 1]:
                        yield Seen(sku.name, place, spot, None, Availability.of_boolean(False).text() if gone else None)


# --- how Azure words things -----------------------------------------------------------------------------------------------------------


def refused(status: int, code: str, message: str = "The service says no.") -> Answer:
    return Answer({"error": {"code": code, "message": message}}, status)


def _known(value: Any) -> None:
    """Raises where a part of a model has a field that its class does not declare."""
    if isinstance(value, list):
        for each in value:
            _known(each)
    elif hasattr(value, "_attr_to_rest_field"):
        names = {field._rest_name: attribute for attribute, field in value._attr_to_rest_field.items()}
        odd = set(value.keys()) - names.keys()
        assert not odd, f"{type(value).__name__} has no {sorted(odd)}"
        for name in value:
            _known(getattr(value, names[name]))


def _sold(product: Product, region: str) -> bool:
    return any(place == region or place.startswith(f"{region}-") for place in product.stock)


def _family(name: str) -> str:
    return next((family for part, family in FAMILIES.items() if part in name), "standardDSv5Family")


def _sku(product: Product, region: str) -> Row:
    """A size as this subscription sees it. In eastus zone 3 is blocked for all; a size without any stock in a region is not sold to us."""
    zones = sorted(place.removeprefix(f"{region}-") for place in product.stock if place.startswith(f"{region}-"))
    abilities = {
        "vCPUs": product.vcpus,
        "MemoryGB": product.memory_gib,
        "GPUs": product.gpus,
        "LowPriorityCapable": product.spot_usd_per_h is not None,
    }
    blocked: list[Row] = []
    if zones:
        info = {"locations": [region], "zones": ["3"]}
        blocked.append({"type": "Zone", "values": [region], "restrictionInfo": info, "reasonCode": "NotAvailableForSubscription"})
    if not any(left for place, left in product.stock.items() if place.startswith(region)):
        info = {"locations": [region]}
        blocked.append({"type": "Location", "values": [region], "restrictionInfo": info, "reasonCode": "NotAvailableForSubscription"})
    return {
        "resourceType": "virtualMachines",
        "name": product.name,
        "tier": "Standard",
        "size": product.name.removeprefix("Standard_"),
        "family": _family(product.name),
        "locations": [region],
        "locationInfo": [{"location": region, "zones": [*zones, "3"] if zones else [], "zoneDetails": []}],
        "capabilities": [{"name": name, "value": str(value)} for name, value in abilities.items() if name != "GPUs" or value],
        "restrictions": blocked,
    }


OTHER_ABILITIES = (
    "MaxResourceVolumeMB", "OSVhdSizeMB", "vCPUs", "MemoryPreservingMaintenanceSupported", "HyperVGenerations", "MemoryGB",
    "MaxDataDiskCount", "CpuArchitectureType", "LowPriorityCapable", "HibernationSupported", "PremiumIO", "VMDeploymentTypes",
    "vCPUsAvailable", "vCPUsPerCore", "CombinedTempDiskAndCachedIOPS", "CombinedTempDiskAndCachedReadBytesPerSecond",
    "CombinedTempDiskAndCachedWriteBytesPerSecond", "CachedDiskBytes", "UncachedDiskIOPS", "UncachedDiskBytesPerSecond",
    "EphemeralOSDiskSupported", "EncryptionAtHostSupported", "CapacityReservationSupported", "AcceleratedNetworkingEnabled",
    "RdmaEnabled", "MaxNetworkInterfaces", "UltraSSDAvailable",
)  # fmt: skip


def _other(number: int, region: str) -> Row:
    """A size without GPUs, as wordy as Azure's."""
    name = f"D{2 ** (number % 7)}{'abdlps'[number % 6]}s_v{number % 9}_{number:05d}"
    zone = {"Name": ["1", "2", "3"], "capabilities": [{"name": "UltraSSDAvailable", "value": "True"}]}
    return {
        "resourceType": "virtualMachines",
        "name": f"Standard_{name}",
        "tier": "Standard",
        "size": name,
        "family": "standardDSv5Family",
        "locations": [region],
        "locationInfo": [{"location": region, "zones": ["1", "2", "3"], "zoneDetails": [zone]}],
        "capabilities": [{"name": ability, "value": "137438953472"} for ability in OTHER_ABILITIES],
        "restrictions": [],
    }


def _priced(product: Product, region: str) -> list[Row]:
    """A size's meters: Linux, Windows, Low Priority, and spot where it is sold so."""
    short = product.name.removeprefix("Standard_").replace("_", " ")
    linux, windows = f"Virtual Machines {short} Series", f"Virtual Machines {short} Series Windows"
    meters = [(product.usd_per_h, short, linux), (9.9, short, windows), (0.1, f"{short} Low Priority", linux)]
    if product.spot_usd_per_h is not None:
        meters += [(product.spot_usd_per_h, f"{short} Spot", linux), (9.8, f"{short} Spot", windows)]
    return [
        {
            "currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": usd, "unitPrice": usd, "armRegionName": region,
            "armSkuName": product.name, "skuName": meter, "meterName": meter, "productName": name, "serviceName": "Virtual Machines",
            "unitOfMeasure": "1 Hour", "type": "Consumption", "isPrimaryMeterRegion": True,
        }
        for usd, meter, name in meters
    ]  # fmt: skip


def _machine(machine: Machine) -> Row:
    order = json.loads(machine.words["order"])
    properties = {name: value for name, value in order["properties"].items() if name != "osProfile"}
    return {
        "id": f"{SUB}/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/{machine.words['name']}",
        "name": machine.words["name"],
        "type": "Microsoft.Compute/virtualMachines",
        "location": machine.words["region"],
        "tags": order["tags"],
        **({"zones": order["zones"]} if "zones" in order else {}),
        "properties": {**properties, "provisioningState": "Failed" if machine.failed else "Succeeded"},
    }


def _operation(machine: Machine, code: str) -> Row:
    told: Row = {"name": machine.id, "startTime": "2026-01-01T00:00:00+00:00", "status": "Failed" if code else "Succeeded"}
    if code:
        told["error"] = {"code": code, "message": "Allocation failed. We do not have sufficient capacity for the requested VM size."}
    return told
