"""Google Cloud, played: aggregated lists of zones, prices by the part, launches as operations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from scheduler.domain.offer import Availability
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Estate, Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, PageExpiredError, Product, RefusedError, Seen, bearer
from simulations.vendors.server import Route

PROJECT, TOKEN, KEY = "fake-project", "ya29.fake", "fake-api-key"
BASE = f"/compute/v1/projects/{PROJECT}"
ZONE = BASE + "/zones/(?P<zone>[^/]+)"
PAGE_ROWS = 3
VENDOR_PAGE_ROWS = 5000
STATUSES = {401: ("authError", "UNAUTHENTICATED"), 403: ("quotaExceeded", "PERMISSION_DENIED"), 404: ("notFound", "NOT_FOUND"),
            409: ("alreadyExists", "ALREADY_EXISTS"), 429: ("rateLimitExceeded", "RESOURCE_EXHAUSTED"),
            500: ("backendError", "INTERNAL"), 503: ("backendError", "UNAVAILABLE")}  # fmt: skip
SKUS = {
    # accelerator type: (family, micro-USD per core, per GiB, spot share, the card's name in the billing catalogue)
    "nvidia-l4": ("G2", 24_988, 2_927, 0.4, "Nvidia L4 GPU"),
    "nvidia-tesla-a100": ("A2", 31_611, 4_237, 0.4, "Nvidia Tesla A100 GPU"),
    "nvidia-h100-80gb": ("A3", 29_355, 2_558, 0.5, "Nvidia H100 80GB GPU"),
}
QUOTAS = {"NVIDIA_L4_GPUS": (8, 2), "PREEMPTIBLE_NVIDIA_L4_GPUS": (16, 1), "CPUS": (100, 5)}

Row = dict[str, Any]


class Gcp(Fake):
    """``compute.googleapis.com`` and ``cloudbilling.googleapis.com``. Stockouts are told by the finished operation alone."""

    kind = "gcp"
    sdk = "google-cloud-compute"
    schema = "message types of google-cloud-compute"
    paged = True
    late_stockouts = True

    def __init__(self, estate: Estate | None = None) -> None:
        super().__init__(estate)
        self.operations: dict[str, Row] = {}
        self.silent_zones: set[str] = set()
        self.page_rows = PAGE_ROWS
        self.advises = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        a, b, west = "us-central1-a", "us-central1-b", "europe-west4-b"
        return (
            Product("a3-highgpu-8g", "nvidia-h100-80gb", 8, 80, 208, 1872, 88.49, {a: 2, west: 0}, 44.2),
            Product("g2-standard-4", "nvidia-l4", 1, 24, 4, 16, 0.706832, {a: 4, b: 1, west: 4}, 0.2827),
            Product("a2-highgpu-1g", "nvidia-tesla-a100", 1, 40, 12, 85, 3.673385, {a: 1, west: 2}, 1.469),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"project": PROJECT, "billing_endpoint": url, "image": "projects/fake/global/images/gpu"}
        return ProviderSettings("gcp", "gcp", account="main", endpoint=url, options=options)

    def grow(self) -> None:
        self.page_rows = VENDOR_PAGE_ROWS

    def environ(self) -> Mapping[str, str]:
        return {"GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN, "GOOGLE_API_KEY": KEY}

    def routes(self) -> list[Route]:
        calls = [
            ("GET", f"{BASE}/aggregated/machineTypes", self._machine_types),
            ("GET", f"{BASE}/aggregated/instances", self._instances),
            ("GET", f"{BASE}/regions", self._regions),
            ("POST", f"{BASE}/regions/(?P<region>[^/]+)/advice/capacity", self._advice),
            ("POST", f"{ZONE}/instances", self._insert),
            ("GET", f"{ZONE}/instances/(?P<name>[^/]+)", self._instance),
            ("DELETE", f"{ZONE}/instances/(?P<name>[^/]+)", self._delete),
            ("POST", f"{ZONE}/operations/(?P<name>[^/]+)/wait", lambda asked: Answer(self.operations[asked.parts["name"]])),
        ]
        signed_in: list[Route] = [(method, path, self._for_the_signed_in(call)) for method, path, call in calls]
        return [("GET", "/v1/services/6F81-5844-456A/skus", self._skus), *signed_in]

    @staticmethod
    def _for_the_signed_in(call: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        return lambda asked: call(asked) if bearer(asked, TOKEN) else refused(401)

    def spoilt(self, status: int) -> Answer:
        return refused(status)

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path.endswith("/instances")

    # the catalogue --------------------------------------------------------------------------------------------------------------

    def _zones(self, key: str, found: Sequence[tuple[str, Row]], asked: Asked) -> Answer:
        """A page of an aggregated list: zones, each with its rows."""
        try:
            shown, following = self.estate.page(
                found, asked.query.get("pageToken", ""), min(self.page_rows, int(asked.query["maxResults"]))
            )
        except PageExpiredError:
            return refused(400, "invalid", "Invalid value for field 'pageToken'.")
        nothing = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope on this page."}}
        items: Row = {f"zones/{zone}": dict(nothing) for zone in ("us-central1-f", *(zone for zone, _ in found))}
        for zone, row in shown:
            items[f"zones/{zone}"].pop("warning", None)
            items[f"zones/{zone}"].setdefault(key, []).append(row)
        for zone in self.silent_zones:
            items[f"zones/{zone}"] = {"warning": {"code": "UNREACHABLE", "message": f"Zone {zone} is unreachable."}}
        return Answer({"kind": "compute#aggregatedList", "items": items, **({"nextPageToken": following} if following else {})})

    def _machine_types(self, asked: Asked) -> Answer:
        cpu = Product("n2-standard-4", "", 0, 0, 4, 16, 0.19, {"us-central1-a": 9})
        found = [(zone, self._machine_type(each, zone)) for each in (*self.estate.products, cpu) for zone in each.stock]
        return self._zones("machineTypes", found, asked)

    def _machine_type(self, product: Product, zone: str) -> Row:
        cards = [{"guestAcceleratorType": product.gpu, "guestAcceleratorCount": product.gpus}] if product.gpus else []
        return {
            "kind": "compute#machineType",
            "id": "1",
            "name": product.name,
            "zone": zone,
            "guestCpus": product.vcpus,
            "memoryMb": product.memory_gib * 1024,
            **({"accelerators": cards} if cards else {}),
        }

    def _advice(self, asked: Asked) -> Answer:
        """One recommendation per zone, as likely as there is stock."""
        if not self.advises:
            return refused(403, "forbidden", "Required 'compute.advice.capacity' permission")
        (names,) = [each["machineTypes"] for each in asked.body["instanceFlexibilityPolicy"]["instanceSelections"].values()]
        if asked.body["instanceProperties"]["scheduling"]["provisioningModel"] != "SPOT" or asked.body["size"] != 1:
            return refused(400, "invalid", "The fake advises on one spot machine.")
        found = [
            {
                "scores": {"obtainability": obtainability(left), "estimatedUptime": "3600s"},
                "shards": [{"zone": zone, "machineType": each.name, "instanceCount": 1, "provisioningModel": "SPOT"}],
            }
            for each in self.estate.products
            for zone, left in each.stock.items()
            if each.name in names and zone.startswith(f"{asked.parts['region']}-")
        ]
        return Answer({"recommendations": found})

    def _skus(self, asked: Asked) -> Answer:
        if asked.headers.get("x-goog-api-key") != KEY:
            return refused(401)
        found = [sku for product in self.estate.products for sku in _skus(product)]
        found.append(sku("Commitment v1: G2 Core in Americas for 1 Year", 1.0, "Commit1Yr", "h"))
        try:
            shown, following = self.estate.page(found, asked.query.get("pageToken", ""), self.page_rows)
        except PageExpiredError:
            return refused(400, "invalid", "Invalid page token.")
        return Answer({"skus": shown, "nextPageToken": following})

    def _regions(self, asked: Asked) -> Answer:
        quotas = [{"metric": metric, "limit": limit, "usage": usage} for metric, (limit, usage) in QUOTAS.items()]
        return Answer({"kind": "compute#regionList", "id": "1", "items": [{"name": "us-central1", "quotas": quotas}]})

    # machines -------------------------------------------------------------------------------------------------------------------

    def _insert(self, asked: Asked) -> Answer:
        order, zone = asked.body, asked.parts["zone"]
        kind, spot = order["machineType"].rsplit("/", 1)[-1], order.get("scheduling", {}).get("provisioningModel") == "SPOT"
        product = {each.name: each for each in self.estate.products}.get(kind)
        if product is None or zone not in product.stock or order["machineType"] != f"zones/{zone}/machineTypes/{kind}":
            return refused(400, "invalid", "Invalid value for field 'resource.machineType': it does not exist in this zone.")
        if not order["disks"][0]["boot"] or order.get("scheduling", {}).get("onHostMaintenance") != "TERMINATE":
            return refused(400, "invalid", "Instances with guest accelerators do not support live migration.")
        token = asked.query["requestId"]
        known = [each for each in self.estate.machines.values() if each.words["name"] == order["name"] and each.place == zone]
        if any(each.words["token"] != token and (each.running or each.failed) for each in known):
            return refused(409)
        operation: Row = {"kind": "compute#operation", "name": f"operation-{token}", "operationType": "insert", "status": "RUNNING"}
        failure = None
        try:
            machine = self.estate.create(kind, zone, spot=spot, words={"name": order["name"], "order": json.dumps(order)}, token=token)
            failure = _sold_out() if machine.failed else None
        except RefusedError as refusal:
            if refusal.refusal is Refusal.QUOTA:
                return refused(403, "quotaExceeded", "Quota 'NVIDIA_L4_GPUS' exceeded.  Limit: 1.0 in region us-central1.")
            failure = _sold_out()
        self.operations[operation["name"]] = {**operation, "status": "DONE", "progress": 100, **(failure or {})}
        return Answer(operation)

    def _instance(self, asked: Asked) -> Answer:
        found = self._named(asked)
        return Answer(_instance(found)) if found else refused(404)

    def _named(self, asked: Asked) -> Machine | None:
        place, name = asked.parts["zone"], asked.parts["name"]
        fits = (each for each in self.estate.machines.values() if each.running and (each.place, each.words["name"]) == (place, name))
        return next(fits, None)

    def _instances(self, asked: Asked) -> Answer:
        label, _, value = asked.query["filter"].removeprefix("labels.").replace(":*", "=").partition("=")
        found = [(each.place, _instance(each)) for each in self.estate.machines.values() if each.running]
        labelled = [(zone, row) for zone, row in found if label in row["labels"] and value in ("", row["labels"][label])]
        return self._zones("instances", labelled, asked)

    def _delete(self, asked: Asked) -> Answer:
        found = self._named(asked)
        if found is None:
            return refused(404)
        self.estate.delete(found.id)
        return Answer({"kind": "compute#operation", "name": f"delete-{found.id}", "operationType": "delete", "status": "RUNNING"})

    # the vendor's own view ------------------------------------------------------------------------------------------------------

    def check(self, asked: Asked, answer: Answer) -> None:
        """Google's own types read orders and answers, and know every field."""
        from google.cloud import compute_v1 as types

        if answer.status >= 400 or asked.path.startswith("/v1/"):
            return
        if asked.path.endswith("/advice/capacity"):
            types.CapacityAdviceRequest.from_json(json.dumps(asked.body), ignore_unknown_fields=False)
            types.CapacityAdviceResponse.from_json(json.dumps(answer.body), ignore_unknown_fields=False)
            return
        if self.is_launch(asked):
            types.Instance.from_json(json.dumps(asked.body), ignore_unknown_fields=False)
        kinds = {
            "machineTypes": types.MachineTypeAggregatedList,
            "regions": types.RegionList,
            "instances": types.InstanceAggregatedList if "/aggregated/" in asked.path else types.Operation,
        }
        last, before = asked.path.split("/")[-1], asked.path.split("/")[-2]
        single = types.Instance if before == "instances" and asked.method == "GET" else types.Operation
        kinds.get(last, single).from_json(json.dumps(answer.body), ignore_unknown_fields=False)

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """The SDK knows no prices: the billing catalogue is another service. Google sells every GPU type on demand and as spot."""
        from google.api_core.client_options import ClientOptions
        from google.cloud import compute_v1
        from google.oauth2.credentials import Credentials

        signed_in: Any = Credentials
        client = compute_v1.MachineTypesClient(
            credentials=signed_in(TOKEN),
            client_options=ClientOptions(api_endpoint=url),
        )
        adviser = compute_v1.AdviceClient(credentials=signed_in(TOKEN), client_options=ClientOptions(api_endpoint=url))
        request = compute_v1.AggregatedListMachineTypesRequest(project=PROJECT, max_results=500)
        for scope, inside in client.aggregated_list(request=request):
            for kind in inside.machine_types:
                if kind.accelerators:
                    zone = scope.removeprefix("zones/")
                    yield Seen(kind.name, zone, False, None, None)
                    yield Seen(kind.name, zone, True, None, _advised(compute_v1, adviser, zone, kind.name))


# --- how Google words things ----------------------------------------------------------------------------------------------------------


def refused(status: int, reason: str = "", message: str = "The service says no.") -> Answer:
    told, name = STATUSES.get(status, ("invalid", "INVALID_ARGUMENT"))
    errors = [{"message": message, "domain": "global", "reason": reason or told}]
    return Answer({"error": {"code": status, "message": message, "errors": errors, "status": name}}, status)


def obtainability(left: int) -> float:
    """The score of so many machines."""
    return min(10, left) / 10


def _advised(types: Any, adviser: Any, zone: str, name: str) -> str:
    """What the SDK says of one spot machine in a zone."""
    selection = types.CapacityAdviceRequestInstanceFlexibilityPolicyInstanceSelection(machine_types=[name])
    resource = types.CapacityAdviceRequest(
        size=1,
        distribution_policy=types.CapacityAdviceRequestDistributionPolicy(target_shape="ANY_SINGLE_ZONE"),
        instance_flexibility_policy=types.CapacityAdviceRequestInstanceFlexibilityPolicy(instance_selections={"one": selection}),
        instance_properties=types.CapacityAdviceRequestInstanceProperties(
            scheduling=types.CapacityAdviceRequestInstancePropertiesScheduling(provisioning_model="SPOT")
        ),
    )
    told = adviser.capacity(project=PROJECT, region=zone.rsplit("-", 1)[0], capacity_advice_request_resource=resource)
    (score,) = [each.scores.obtainability for each in told.recommendations if each.shards[0].zone == zone]
    return Availability.of_score(score).text()


def _sold_out() -> Row:
    message = "The zone does not have enough resources available to fulfill the request."
    return {"httpErrorStatusCode": 503, "httpErrorMessage": "SERVICE UNAVAILABLE",
            "error": {"errors": [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": message}]}}  # fmt: skip


def _skus(product: Product) -> list[Row]:
    """A product's price, cut into cores, memory and cards."""
    family, core, ram, share, card = SKUS.get(product.gpu, ("Q9", 1, 1, 0.5, product.gpu))
    found: list[Row] = []
    for usage, usd, part in (("OnDemand", product.usd_per_h, 1.0), ("Preemptible", product.spot_usd_per_h or 0.0, share)):
        spot = usage == "Preemptible"
        prefix, attached = ("Spot Preemptible ", " attached to Spot Preemptible VMs") if spot else ("", "")
        rest = usd * 1e6 - (product.vcpus * core + product.memory_gib * ram) * part
        found += [
            sku(f"{prefix}{family} Instance Core running in Americas", core * part, usage, "h"),
            sku(f"{prefix}{family} Instance Ram running in Americas", ram * part, usage, "GiBy.h"),
            sku(f"{card}{attached} running in Americas", rest / product.gpus, usage, "h"),
        ]
    return found


def sku(text: str, micro_usd: float, usage: str, unit: str) -> Row:
    units, nanos = (0, micro_usd) if micro_usd != micro_usd else (int(micro_usd // 1e6), round(micro_usd % 1e6 * 1e3))
    rate = {"startUsageAmount": 0, "unitPrice": {"currencyCode": "USD", "units": str(units), "nanos": nanos}}
    return {
        "name": f"services/6F81-5844-456A/skus/{abs(hash(text)):X}"[:48],
        "description": text,
        "category": {"serviceDisplayName": "Compute Engine", "resourceFamily": "Compute", "resourceGroup": "GPU", "usageType": usage},
        "serviceRegions": ["us-central1", "europe-west4"],
        "pricingInfo": [{"pricingExpression": {"usageUnit": unit, "tieredRates": [rate]}}],
    }


def _instance(machine: Machine) -> Row:
    order = json.loads(machine.words["order"])
    return {
        "kind": "compute#instance",
        "id": str(int(machine.id[:8])),
        "name": machine.words["name"],
        "zone": f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/zones/{machine.place}",
        "machineType": f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/{order['machineType']}",
        "status": "RUNNING",
        "labels": order["labels"],
        "metadata": {"kind": "compute#metadata", **order["metadata"]},
        "scheduling": order["scheduling"],
        "networkInterfaces": [{"name": "nic0", "networkIP": "10.128.0.7"}],
    }
