"""Oracle Cloud Infrastructure, played: signed requests per region, paged shapes, capacity reports, keyless prices."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

from scheduler.domain.offer import Availability
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, PageExpiredError, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, Seen, timely
from simulations.vendors.server import Route

TENANCY = "ocid1.tenancy.oc1..aaaaaaaafake"
USER = "ocid1.user.oc1..aaaaaaaafake"
FINGERPRINT = ":".join(["a1"] * 16)
REGIONS = ("eu-frankfurt-1", "us-ashburn-1")
CODES = {401: "NotAuthenticated", 404: "NotAuthorizedOrNotFound", 429: "TooManyRequests", 503: "ServiceUnavailable"}
REPORT_SHAPES_MAX = 10
PAGE_ROWS = 3
VENDOR_PAGE_ROWS = 500
TAG = "headrace-launch"


class Oci(Fake):
    """``iaas`` and ``identity`` of several regions behind one address, the region being the first part of the path."""

    kind = "oci"
    portable = False
    scalable = True
    sdk = "oci"
    schema = "models of the SDK"
    paged = True
    regional = True
    signed = True
    late_stockouts = True
    page_rows = PAGE_ROWS

    @classmethod
    def products(cls) -> Sequence[Product]:
        ad1, ad2, frankfurt = "Fake:US-ASHBURN-AD-1", "Fake:US-ASHBURN-AD-2", "Fake:EU-FRANKFURT-1-AD-1"
        return (
            Product("BM.GPU.H100.8", "NVIDIA® H100", 8, 80, 224, 2048, 80.0, {ad1: 2, frankfurt: 0}),
            Product("VM.GPU.A10.1", "NVIDIA® A10", 1, 24, 30, 240, 2.0, {ad1: 3, ad2: 1, frankfurt: 4}, 1.0),
            Product("BM.GPU.A100-v2.8", "NVIDIA® A100", 8, 80, 256, 2048, 32.0, {ad2: 0}),
            Product("BM.GPU4.8", "NVIDIA® A100", 8, 40, 128, 2048, 24.4, {ad1: 1, ad2: 2}),
            Product("VM.GPU3.2", "NVIDIA® Tesla® V100", 2, 16, 24, 180, 5.9, {frankfurt: 1}, 2.95),
            Product("BM.GPU.MI300X.8", "AMD Instinct™ MI300X", 8, 192, 224, 2048, 48.0, {ad1: 0}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {
            "image": "ocid1.image.oc1..fake",
            "subnet": "ocid1.subnet.oc1..fake",
            "price_endpoint": f"{url}/prices",
        }
        return ProviderSettings("oci", "oci", account="main", endpoint=f"{url}/{{region}}", options=options)

    def grow(self) -> None:
        self.page_rows = VENDOR_PAGE_ROWS

    def environ(self) -> Mapping[str, str]:
        return {
            "OCI_CLI_TENANCY": TENANCY,
            "OCI_CLI_USER": USER,
            "OCI_CLI_FINGERPRINT": FINGERPRINT,
            "OCI_CLI_KEY_CONTENT": _key_pair()[0],
            "OCI_CLI_REGION": REGIONS[0],
        }

    def routes(self) -> list[Route]:
        base = "/(?P<region>[a-z]+-[a-z]+-[0-9])/20160918"
        return [
            ("GET", "/prices/shapes.json", self._price_shapes),
            ("GET", "/prices/products.json", self._price_products),
            ("GET", f"{base}/tenancies/(?P<id>[^/]+)/regionSubscriptions", self._subscriptions),
            ("GET", f"{base}/availabilityDomains", self._domains),
            ("GET", f"{base}/shapes", self._shapes),
            ("POST", f"{base}/computeCapacityReports", self._report),
            ("GET", f"{base}/instances", self._instances),
            ("POST", f"{base}/instances", self._launch),
            ("DELETE", f"{base}/instances/(?P<id>[^/]+)", self._terminate),
        ]

    def spoilt(self, status: int) -> Answer:
        return _error(status, CODES.get(status, "InternalError"), "The service says no.")

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path.endswith("/instances")

    def region_of(self, asked: Asked) -> str:
        return "" if "/tenancies/" in asked.path or asked.path.startswith("/prices") else asked.path.split("/")[1]

    # prices: two public files -------------------------------------------------------------------------------------------------

    def _price_shapes(self, asked: Asked) -> Answer:
        cpu = {"name": "VM.Standard.E5.Flex", "hidden": False, "status": "ACTIVE", "subType": {"value": "flexible"}, "products": []}
        return Answer({"items": [cpu, *(_price_shape(number, each) for number, each in enumerate(self.estate.products))]})

    def _price_products(self, asked: Asked) -> Answer:
        return Answer({"items": [_price_product(number, each) for number, each in enumerate(self.estate.products)]})

    # identity -----------------------------------------------------------------------------------------------------------------

    def _subscriptions(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        gone = {"regionKey": "LHR", "regionName": "uk-london-1", "status": "IN_PROGRESS", "isHomeRegion": False}
        ready = [
            {"regionKey": name[:3].upper(), "regionName": name, "status": "READY", "isHomeRegion": name == REGIONS[0]} for name in REGIONS
        ]
        return Answer([*ready, gone])

    def _domains(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        names = sorted({place for product in self.estate.products for place in product.stock if _in(place, asked)})
        return Answer([{"name": name, "id": f"ocid1.availabilitydomain.oc1..{name[-4:]}", "compartmentId": TENANCY} for name in names])

    # compute ------------------------------------------------------------------------------------------------------------------

    def _shapes(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        place = asked.query["availabilityDomain"]
        sold = [_shape(product) for product in self.estate.products if place in product.stock]
        cpu = Product("VM.Standard.E5.Flex", "", 0, 0, 2, 16, 0.1, {})
        return self._page([*sold, _shape(cpu)], asked)

    def _page(self, rows: list[Any], asked: Asked) -> Answer:
        try:
            shown, following = self.estate.page(rows, asked.query.get("page", ""), min(self.page_rows, int(asked.query["limit"])))
        except PageExpiredError:
            return _error(400, "InvalidParameter", "Invalid page token.")
        return Answer(shown, headers={"opc-next-page": following} if following else {})

    def _report(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        wanted, place = asked.body["shapeAvailabilities"], asked.body["availabilityDomain"]
        if asked.body["compartmentId"] != TENANCY or len(wanted) > REPORT_SHAPES_MAX:
            return _error(400, "InvalidParameter", "A report is for the root compartment and a few shapes.")
        told = [self._told(row["instanceShape"], place) for row in wanted]
        return Answer(
            {"compartmentId": TENANCY, "availabilityDomain": place, "shapeAvailabilities": told, "timeCreated": "2026-01-01T00:00:00Z"}
        )

    def _told(self, shape: str, place: str) -> dict[str, Any]:
        left = self.estate.product(shape).stock.get(place, 0)
        # Oracle leaves the count out where it tells only that there is some; the A10 plays that.
        count = None if shape == "VM.GPU.A10.1" else left
        status = "AVAILABLE" if left else "OUT_OF_HOST_CAPACITY"
        return {
            "faultDomain": None,
            "instanceShape": shape,
            "instanceShapeConfig": None,
            "availableCount": count,
            "availabilityStatus": status,
        }

    def _instances(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        machines = [machine for machine in self.estate.machines.values() if _in(machine.place, asked)]
        return self._page([_instance(machine, asked) for machine in machines], asked)

    def _launch(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        order = asked.body
        spot = "preemptibleInstanceConfig" in order
        product = self.estate.product(order["shape"])
        if order["availabilityDomain"] not in product.stock or not _in(order["availabilityDomain"], asked):
            return _error(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
        if spot and product.spot_usd_per_h is None:
            return _error(400, "InvalidParameter", "Preemptible capacity is not supported for this shape.")
        words = {"name": order["displayName"], "tag": order.get("freeformTags", {}).get(TAG, "")}
        token = asked.headers.get("opc-retry-token", "")
        try:
            machine = self.estate.create(order["shape"], order["availabilityDomain"], spot=spot, words=words, token=token)
        except RefusedError as refused:
            if refused.refusal is Refusal.QUOTA:
                return _error(400, "LimitExceeded", "The following service limits were exceeded: gpu-a10-count.")
            return _error(500, "InternalError", "Out of host capacity.")
        return Answer({**_instance(machine, asked), "lifecycleState": "PROVISIONING"})

    def _terminate(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        if not self.estate.delete(asked.parts["id"].rsplit(".", 1)[-1]):
            return _error(404, "NotAuthorizedOrNotFound", "Authorization failed or requested resource not found.")
        return Answer("", 204)

    # the vendor's own view ----------------------------------------------------------------------------------------------------

    def check(self, asked: Asked, answer: Answer) -> None:
        if answer.status >= 400 or asked.path.startswith("/prices"):
            return
        import oci.core.models as core
        import oci.identity.models as identity

        if asked.path.endswith("/regionSubscriptions"):
            _fits(identity, "list[RegionSubscription]", answer.body)
        elif asked.path.endswith("/availabilityDomains"):
            _fits(identity, "list[AvailabilityDomain]", answer.body)
        elif asked.path.endswith("/shapes"):
            _fits(core, "list[Shape]", answer.body)
        elif asked.path.endswith("/computeCapacityReports"):
            _fits(core, "CreateComputeCapacityReportDetails", asked.body)
            _fits(core, "ComputeCapacityReport", answer.body)
        elif asked.method == "POST":
            _fits(core, "LaunchInstanceDetails", asked.body)
            _fits(core, "Instance", answer.body)
        elif asked.method == "GET":
            _fits(core, "list[Instance]", answer.body)

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """Shapes and capacity; the SDK knows no prices. That every VM shape is sold preemptible is Oracle's own rule."""
        import oci

        config = {
            "tenancy": TENANCY,
            "user": USER,
            "fingerprint": FINGERPRINT,
            "key_content": _key_pair()[0],
            "key_file": None,
            "region": REGIONS[0],
        }
        for region in REGIONS:
            identity = oci.identity.IdentityClient(config, service_endpoint=f"{url}/{region}")
            compute = oci.core.ComputeClient(config, service_endpoint=f"{url}/{region}")
            for domain in identity.list_availability_domains(TENANCY).data:
                pages = oci.pagination.list_call_get_all_results(compute.list_shapes, TENANCY, availability_domain=domain.name, limit=100)
                for shape in pages.data:
                    if shape.gpus:
                        stock = _sdk_stock(compute, domain.name, shape.shape)
                        yield Seen(shape.shape, domain.name, False, None, stock)
                        if shape.shape.startswith("VM."):
                            yield Seen(shape.shape, domain.name, True, None, None)


def _sdk_stock(compute: Any, domain: str, shape: str) -> str:
    import oci.core.models as core

    wanted = core.CreateCapacityReportShapeAvailabilityDetails(instance_shape=shape)
    details = core.CreateComputeCapacityReportDetails(compartment_id=TENANCY, availability_domain=domain, shape_availabilities=[wanted])
    told = compute.create_compute_capacity_report(details).data.shape_availabilities[0]
    if told.available_count is not None:
        return Availability.of_count(told.available_count).text()
    return Availability.of_boolean(told.availability_status == told.AVAILABILITY_STATUS_AVAILABLE).text()


def _fits(models: Any, kind: str, value: Any) -> None:
    """Raises TypeError where a value is not what the SDK's models say. Null fits everywhere."""
    plain: dict[str, type | tuple[type, ...]] = {
        "str": str,
        "int": int,
        "bool": bool,
        "float": (int, float),
        "datetime": str,
        "object": object,
    }
    many = re.fullmatch(r"list\[(.+)\]", kind)
    if value is None:
        return
    if kind in plain or kind.startswith("dict("):
        if not isinstance(value, plain.get(kind, dict)):
            raise TypeError(f"{value!r} is no {kind}")
    elif many:
        for item in value:
            _fits(models, many[1], item)
    else:
        model = getattr(models, kind)
        if hasattr(model, "get_subtype"):
            model = getattr(models, model.get_subtype(value))
        made = model()
        names = {sent: name for name, sent in made.attribute_map.items()}
        for sent, part in value.items():
            if sent not in names:
                raise TypeError(f"{kind} has no {sent}")
            _fits(models, made.swagger_types[names[sent]], part)


@cache
def _key_pair() -> tuple[str, Any]:
    """A private key as PEM, and its public key."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), key.public_key()


def _signed(asked: Asked) -> bool:
    """Checks date, digest and signature from their definition, apart from the SDK's signer."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    given = dict(re.findall(r'(\w+)="([^"]*)"', asked.headers.get("authorization", "")))
    if given.get("keyId") != f"{TENANCY}/{USER}/{FINGERPRINT}" or given.get("algorithm") != "rsa-sha256":
        return False
    wanted = {"date", "(request-target)", "host"} | (
        {"content-length", "content-type", "x-content-sha256"} if asked.method == "POST" else set()
    )
    digest = base64.b64encode(hashlib.sha256(asked.raw).digest()).decode()
    if not wanted <= set(given["headers"].split()) or (asked.method == "POST" and asked.headers["x-content-sha256"] != digest):
        return False
    target = f"{asked.method.lower()} {asked.path}" + (f"?{urlencode(asked.query)}" if asked.query else "")
    values = {**asked.headers, "(request-target)": target}
    text = "\n".join(f"{name}: {values[name]}" for name in given["headers"].split())
    try:
        _key_pair()[1].verify(base64.b64decode(given["signature"]), text.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return timely(parsedate_to_datetime(asked.headers["date"]))


def _in(place: str, asked: Asked) -> bool:
    """Whether an availability domain lies in the region that is asked."""
    region = asked.parts["region"].upper()
    return place.split(":")[1].startswith((f"{region}-AD", f"{region.removesuffix('-1')}-AD"))


def _error(status: int, code: str, message: str) -> Answer:
    return Answer({"code": code, "message": message}, status)


def _price_shape(number: int, product: Product) -> dict[str, Any]:
    sold = {"type": {"value": "ocpu"}, "partNumber": f"B{number}", "qty": product.vcpus // 2}
    return {
        "name": f"{product.name} (NVL72)" if product.name == "BM.GPU4.8" else product.name,
        "hidden": False,
        "status": "ACTIVE",
        "allowPreemptible": product.spot_usd_per_h is not None,
        "bundleMemoryQty": product.memory_gib,
        "gpuQty": product.gpus,
        "gpuMemoryQty": product.gpus * product.gpu_memory_gib,
        "processorType": {"value": "intel"},
        "shapeType": {"value": product.name[:2].lower()},
        "subType": {"value": "gpu"},
        "products": [sold],
    }


def _price_product(number: int, product: Product) -> dict[str, Any]:
    prices = [{"model": "PAY_AS_YOU_GO", "value": product.usd_per_h / product.gpus}]
    euros = {"currencyCode": "EUR", "prices": [{"model": "PAY_AS_YOU_GO", "value": 0.93 * product.usd_per_h / product.gpus}]}
    local = [euros, {"currencyCode": "USD", "prices": prices}]
    return {"partNumber": f"B{number}", "billingModel": "UCM", "pricetype": "HOUR", "currencyCodeLocalizations": local}


def _shape(product: Product) -> dict[str, Any]:
    return {
        "shape": product.name,
        "processorDescription": "2.0 GHz Intel® Xeon®",
        "ocpus": product.vcpus / 2,
        "memoryInGBs": float(product.memory_gib),
        "gpus": product.gpus,
        "gpuDescription": product.gpu or None,
        "networkingBandwidthInGbps": 100.0,
        "isFlexible": not product.gpus,
        "isBilledForStoppedInstance": bool(product.gpus),
        "billingType": "PAID",
        "quotaNames": ["gpu-count"] if product.gpus else ["standard-e5-core-count"],
    }


def _instance(machine: Machine, asked: Asked) -> dict[str, Any]:
    state = "TERMINATED" if machine.failed or not machine.running else "RUNNING"
    return {
        "id": f"ocid1.instance.oc1.{asked.parts['region']}.{machine.id}",
        "availabilityDomain": machine.place,
        "compartmentId": TENANCY,
        "displayName": machine.words["name"],
        "freeformTags": {TAG: machine.words["tag"]} if machine.words["tag"] else {},
        "lifecycleState": state,
        "region": asked.parts["region"],
        "shape": machine.product,
        "timeCreated": "2026-01-01T00:00:00Z",
    }
