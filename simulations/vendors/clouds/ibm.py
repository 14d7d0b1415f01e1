"""IBM Cloud VPC, played: a sign-in first, an API per region, profiles with zones and without prices, launches that fail late."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, PageExpiredError, Product, RefusedError, Seen, bearer
from simulations.vendors.server import Route

KEY = "fake-api-key"
GRANT = "urn:ibm:params:oauth:grant-type:apikey"
VERSION = {"version": "2026-10-06", "generation": "2"}
REGIONS = ("eu-de", "us-south")
IMAGES = {"eu-de": "r010-54e9238a-0000-4000-8000-000000000001", "us-south": "r006-54e9238a-0000-4000-8000-000000000001"}
SUBNETS = {f"{region}-{number}": f"0717-7ec86020-0000-4000-8000-{number:012d}" for region in REGIONS for number in (1, 2, 3)}
CODES = {401: "not_authorized", 404: "not_found", 429: "too_many_requests", 500: "internal_error", 503: "service_unavailable"}
WANTED = {"image", "primary_network_attachment", "profile", "zone"}
ALLOWED = WANTED | {"boot_volume_attachment", "keys", "name", "resource_group", "user_data"}
CAPACITY = {"code": "cannot_start_capacity", "message": "Can't start instance because resource capacity is unavailable."}
PAGE_SIZE = 50


def _part(claims: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


TOKEN = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part({'iat': 1760000000, 'exp': 4102444800})}.c2lnbmVk"
"""The vendor's SDK looks into it for its end."""


class Ibm(Fake):
    """``https://{region}.iaas.cloud.ibm.com/v1`` as ``/{region}/v1``, and ``iam.cloud.ibm.com`` as ``/iam``.

    A machine without capacity is accepted and then fails.
    """

    kind = "ibm"
    sdk = "ibm-vpc"
    schema = "model classes of the SDK"
    paged = True
    regional = True
    late_stockouts = True
    priced = False
    assumed = {"quota": "a 400: the vendor tells the code over_quota and no status"}

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("gx3d-160x1792x8h100", "H100", 8, 80, 160, 1792, 99.6, {"eu-de-1": 1, "eu-de-2": 0}),
            Product("gx3-24x120x1l40s", "L40S", 1, 48, 24, 120, 2.0, {"us-south-1": 4, "eu-de-2": 2}),
            Product("gx3-32x160x2l4", "L4", 2, 24, 32, 160, 1.5, {"us-south-2": 3, "us-south-3": 1}),
            Product("gx3d-160x1792x8h200", "H200", 8, 141, 160, 1792, 100.0, {"eu-de-3": 1, "us-south-1": 0}),
        )

    def settings(self, url: str) -> ProviderSettings:
        declared = {f"usd_per_h_{each.name}": str(each.usd_per_h) for each in self.products()[1:]}
        images = {f"image_{region}": image for region, image in IMAGES.items()}
        subnets = {f"subnet_{zone}": subnet for zone, subnet in SUBNETS.items()}
        options = {"iam_endpoint": f"{url}/iam", **declared, **images, **subnets}
        return ProviderSettings("ibm", "ibm", account="main", endpoint=f"{url}/us-south/v1", options=options)

    def environ(self) -> Mapping[str, str]:
        return {"IBMCLOUD_API_KEY": KEY}

    def routes(self) -> list[Route]:
        api = rf"/(?P<region>{'|'.join(REGIONS)})/v1"
        calls = [
            ("GET", f"{api}/regions", self._regions),
            ("GET", f"{api}/instance/profiles", self._profiles),
            ("GET", f"{api}/instances", self._instances),
            ("GET", f"{api}/instances/(?P<id>[^/]+)", self._instance),
            ("POST", f"{api}/instances", self._create),
            ("DELETE", f"{api}/instances/(?P<id>[^/]+)", self._delete),
        ]
        signed_in: list[Route] = [(method, path, self._for_the_signed_in(call)) for method, path, call in calls]
        return [("POST", "/iam/identity/token", self._sign_in), *signed_in]

    def _for_the_signed_in(self, call: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        def answer(asked: Asked) -> Answer:
            if not bearer(asked, TOKEN):
                return self.spoilt(401)
            if VERSION.items() - asked.query.items():
                return _error(400, "missing_version", f"asked with {dict(asked.query)}")
            return call(asked)

        return answer

    def spoilt(self, status: int) -> Answer:
        return _error(status, CODES[status], "The server says no.")

    def is_sign_in(self, asked: Asked) -> bool:
        return asked.path.startswith("/iam/")

    def region_of(self, asked: Asked) -> str:
        return "" if asked.path.endswith("/regions") else asked.path.split("/")[1]

    def check(self, asked: Asked, answer: Answer) -> None:
        """The SDK's models must find every field, and know all that the fake tells and that we ask for."""
        if answer.status < 300 and not self.is_sign_in(asked):
            _checked_by_sdk(asked, answer)

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """Profiles by region and zone; the SDK knows neither prices nor stock."""
        from ibm_cloud_sdk_core.authenticators import IAMAuthenticator  # type: ignore[import-untyped]
        from ibm_vpc.vpc_v1 import InstanceProfilesPager, VpcV1  # type: ignore[import-untyped]

        client = VpcV1(VERSION["version"], IAMAuthenticator(KEY, url=f"{url}/iam"))
        client.set_service_url(f"{url}/us-south/v1")
        for region in client.list_regions().get_result()["regions"]:
            client.set_service_url(f"{region['endpoint']}/v1")
            for profile in InstanceProfilesPager(client=client, limit=2).get_all():
                for zone in profile["zones"] if "gpu_count" in profile else ():
                    yield Seen(profile["name"], zone["name"], False, None, None)

    # the calls ------------------------------------------------------------------------------------------------------------------

    def _sign_in(self, asked: Asked) -> Answer:
        if (asked.body.get("grant_type"), asked.body.get("apikey")) != (GRANT, KEY):
            return Answer({"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found."}, 400)
        told = {
            "refresh_token": "not_supported",
            "token_type": "Bearer",
            "expires_in": 3600,
            "expiration": 4102444800,
            "scope": "ibm openid",
        }
        return Answer({"access_token": TOKEN} | told)

    def _regions(self, asked: Asked) -> Answer:
        host = f"http://{asked.headers['host']}"
        told = [{"endpoint": f"{host}/{name}", "href": _href(asked, f"regions/{name}"), "name": name} for name in REGIONS]
        return Answer({"regions": [row | {"status": "available"} for row in told]})

    def _profiles(self, asked: Asked) -> Answer:
        cpu = Product("bx2-2x8", "", 0, 0, 2, 8, 0.1, {f"{asked.parts['region']}-1": 9})
        sold = [
            product for product in (*self.estate.products, cpu) if any(_region(zone) == asked.parts["region"] for zone in product.stock)
        ]
        return self._page(asked, "profiles", [_profile(asked, product) for product in sold])

    def _instances(self, asked: Asked) -> Answer:
        region, name = asked.parts["region"], asked.query.get("name")
        kept = [machine for machine in self.estate.machines.values() if machine.running or machine.failed]
        listed = [machine for machine in kept if _region(machine.place) == region and name in (None, machine.words["name"])]
        return self._page(asked, "instances", [self._told(asked, machine) for machine in listed])

    def _page(self, asked: Asked, field: str, rows: Sequence[Mapping[str, Any]]) -> Answer:
        size = int(asked.query.get("limit", PAGE_SIZE))
        try:
            shown, following = self.estate.page(rows, asked.query.get("start", ""), size)
        except PageExpiredError:
            return _error(400, "bad_field", "The start token is not valid.")
        here = _href(asked, asked.path.split("/v1/")[1]) + f"?limit={size}"
        body = {"first": {"href": here}, "limit": size, field: shown, "total_count": len(rows)}
        return Answer(body | ({"next": {"href": f"{here}&start={following}"}} if following else {}))

    def _instance(self, asked: Asked) -> Answer:
        machine = self.estate.machines.get(asked.parts["id"])
        return Answer(self._told(asked, machine)) if machine else _error(404, CODES[404], "Instance not found")

    def _create(self, asked: Asked) -> Answer:
        order, region = asked.body, asked.parts["region"]
        if WANTED - set(order):
            return _error(400, "validation_required_field", f"missing: {sorted(WANTED - set(order))}")
        if set(order) - ALLOWED:
            return _error(400, "bad_field", f"unknown: {sorted(set(order) - ALLOWED)}")
        zone, subnet = order["zone"]["name"], order["primary_network_attachment"]["virtual_network_interface"]["subnet"]["id"]
        if order["image"]["id"] != IMAGES[region] or subnet != SUBNETS.get(zone) or _region(zone) != region:
            return _error(404, CODES[404], "Image, subnet or zone not found in this region")
        if zone not in self.estate.product(order["profile"]["name"]).stock:
            return _error(400, "bad_field", "The profile is not supported in this zone")
        if any(order["name"] == machine.words["name"] for machine in self.estate.running):
            return _error(400, "validation_unique_failed", f"Provided Name ({order['name']}) is not unique")
        arguments, words = (order["profile"]["name"], zone), {"name": order["name"]}
        try:
            machine = self.estate.create(*arguments, words=words)
        except RefusedError as refused:
            if refused.refusal is Refusal.QUOTA:
                return _error(400, "over_quota", "The request would exceed the quota for a resource type.")
            made = f"{_prefix(zone)}ffffffff-0000-4000-8000-000000000000"
            machine = Machine(made, *arguments, spot=False, words=words, running=False, failed=True)
            self.estate.machines[made] = machine
        begun = {"status": "pending", "status_reasons": [], "lifecycle_state": "pending"}
        return Answer(self._told(asked, machine) | begun, 201)

    def _delete(self, asked: Asked) -> Answer:
        machine = self.estate.machines.get(asked.parts["id"])
        if machine is not None and machine.failed:
            del self.estate.machines[machine.id]
        elif not self.estate.delete(asked.parts["id"]):
            return _error(404, CODES[404], "Instance not found")
        return Answer("", 204)

    def _told(self, asked: Asked, machine: Machine) -> dict[str, Any]:
        return _instance(asked, machine, self.estate.product(machine.product))


def _error(status: int, code: str, message: str) -> Answer:
    return Answer({"errors": [{"code": code, "message": message}], "trace": "3a2c1f4e-0000-4000-8000-000000000000"}, status)


def _region(zone: str) -> str:
    return zone.rpartition("-")[0]


def _prefix(zone: str) -> str:
    return {"eu-de": "02b7_", "us-south": "0717_"}[_region(zone)]


def _href(asked: Asked, path: str) -> str:
    return f"http://{asked.headers['host']}/{asked.parts['region']}/v1/{path}"


def _fixed(value: object) -> dict[str, object]:
    return {"type": "fixed", "value": value}


def _enum(default: object, *values: object) -> dict[str, object]:
    return {"type": "enum", "default": default, "values": [default, *values]}


def _zone(asked: Asked, zone: str) -> dict[str, str]:
    return {"href": _href(asked, f"regions/{_region(zone)}/zones/{zone}"), "name": zone}


def _profile(asked: Asked, product: Product) -> dict[str, Any]:
    """A profile as the region tells it; ``gpu_memory`` is of all GPUs together."""
    gpus = {
        "gpu_count": _fixed(product.gpus),
        "gpu_manufacturer": {"type": "enum", "values": ["nvidia"]},
        "gpu_memory": _fixed(product.gpus * product.gpu_memory_gib),
        "gpu_model": {"type": "enum", "values": [product.gpu]},
    }
    return {
        "availability_class": _enum("standard", "spot"),
        "bandwidth": _fixed(200000),
        "cluster_network_attachment_count": {"type": "enum", "values": [8]} if product.gpus == 8 else {"type": "dependent"},
        "confidential_compute_modes": _enum("disabled"),
        "disks": [],
        "family": "gpu" if product.gpus else "balanced",
        "href": _href(asked, f"instance/profiles/{product.name}"),
        "memory": _fixed(product.memory_gib),
        "name": product.name,
        "network_attachment_count": {"type": "range", "min": 1, "max": 15},
        "network_bandwidth_mode": _fixed("dedicated"),
        "network_interface_count": {"type": "range", "min": 1, "max": 15},
        "os_architecture": _enum("amd64"),
        "port_speed": _fixed(16000),
        "reservation_terms": {"type": "enum", "values": ["one_year", "three_year"]},
        "resource_type": "instance_profile",
        "secure_boot_modes": _enum(False),
        "status": "current",
        "supported_cluster_network_profiles": [],
        "threads_per_core": _enum(2),
        "total_volume_bandwidth": {"type": "range", "default": 50000, "max": 150000, "min": 500, "step": 1},
        "vcpu_architecture": _fixed("amd64"),
        "vcpu_burst_limit": _fixed(100),
        "vcpu_count": _fixed(product.vcpus),
        "vcpu_manufacturer": _fixed("intel"),
        "vcpu_percentage": _enum(100),
        "volume_bandwidth_qos_modes": _enum("weighted"),
        "zones": [_zone(asked, zone) for zone in product.stock if _region(zone) == asked.parts["region"]],
        **(gpus if product.gpus else {}),
    }


def _instance(asked: Asked, machine: Machine, product: Product) -> dict[str, Any]:
    def named(path: str, name: str, **more: Any) -> dict[str, Any]:
        return {"href": _href(asked, f"{path}/{machine.id}"), "id": machine.id, "name": name} | more

    crn = f"crn:v1:bluemix:public:is:{machine.place}:a/1::instance:{machine.id}"
    path, subnet = f"instances/{machine.id}", named("subnets", "ours", crn=crn, resource_type="subnet")
    address = named(path, "ip", address="10.243.0.7", resource_type="subnet_reserved_ip")
    plug = {"primary_ip": address, "subnet": subnet}
    interface = named(path, "eth0", resource_type="network_interface", **plug)
    virtual = named("virtual_network_interfaces", "eth0", crn=crn, resource_type="virtual_network_interface")
    attachment = named(path, "eth0", resource_type="instance_network_attachment", virtual_network_interface=virtual, **plug)
    boot = named(path, "boot", device={"id": "boot"}, volume=named("volumes", "boot", crn=crn, resource_type="volume"))
    status = "failed" if machine.failed else "running" if machine.running else "deleting"
    return {
        "availability": {"class": "standard"},
        "availability_policy": {"host_failure": "restart", "preemption": "stop"},
        "bandwidth": 200000,
        "boot_volume_attachment": boot,
        "cluster_network_attachments": [],
        "confidential_compute_mode": "disabled",
        "created_at": "2026-10-20T06:16:19Z",
        "crn": crn,
        "disks": [],
        "enable_secure_boot": False,
        "gpu": {"count": product.gpus, "manufacturer": "nvidia", "memory": product.gpus * product.gpu_memory_gib, "model": product.gpu},
        "health_reasons": [],
        "health_state": "inapplicable" if machine.failed else "ok",
        "lifecycle_reasons": [],
        "lifecycle_state": "failed" if machine.failed else "stable",
        "memory": product.memory_gib,
        "metadata_service": {"enabled": False, "protocol": "http", "response_hop_limit": 1},
        "network_attachments": [attachment],
        "network_interfaces": [interface],
        "primary_network_attachment": attachment,
        "primary_network_interface": interface,
        "profile": {"href": _href(asked, f"instance/profiles/{product.name}"), "name": product.name, "resource_type": "instance_profile"},
        "reservation_affinity": {"policy": "disabled", "pool": []},
        "resource_group": named("resource_groups", "Default"),
        "resource_type": "instance",
        "software_attachments": [],
        "startable": False,
        "status": status,
        "status_reasons": [CAPACITY] if machine.failed else [],
        "threads_per_core": 2,
        "total_network_bandwidth": 150000,
        "total_volume_bandwidth": 50000,
        "vcpu": {"architecture": "amd64", "burst": {"limit": 100}, "count": product.vcpus, "manufacturer": "intel", "percentage": 100},
        "volume_attachments": [boot],
        "volume_bandwidth_qos_mode": "weighted",
        "vpc": named("vpcs", "ours", crn=crn, resource_type="vpc"),
        "zone": _zone(asked, machine.place),
        **named("instances", machine.words["name"]),
    }


def _checked_by_sdk(asked: Asked, answer: Answer) -> None:
    """Raises where the SDK's models miss a field, or would not have told or sent one."""
    from ibm_vpc import vpc_v1 as sdk  # type: ignore[import-untyped]

    by_image = "InstancePrototypeInstanceByImageInstanceByImageInstanceByNetworkAttachment"
    interface = "InstanceNetworkAttachmentPrototypeVirtualNetworkInterfaceVirtualNetworkInterfacePrototypeInstanceNetworkAttachmentContext"
    parts: list[tuple[str, Any]] = []
    match asked.method, asked.path.split("/v1/")[1]:
        case "GET", "regions":
            parts.append(("RegionCollection", answer.body))
        case "GET", "instance/profiles":
            parts.append(("InstanceProfileCollection", answer.body))
            # What may be of several types stays unread in the model of the whole.
            for row in answer.body["profiles"]:
                told = [("InstanceProfileVCPUFixed", "vcpu_count"), ("InstanceProfileMemoryFixed", "memory")]
                of_gpus = [("InstanceProfileGPUFixed", "gpu_count"), ("InstanceProfileGPUMemoryFixed", "gpu_memory")]
                told += of_gpus if "gpu_count" in row else []
                parts += [(model, row[field]) for model, field in told]
        case "GET", "instances":
            parts.append(("InstanceCollection", answer.body))
        case "POST", "instances":
            order = asked.body
            parts += [("Instance", answer.body), (by_image, order), ("ImageIdentityById", order["image"])]
            parts += [("ZoneIdentityByName", order["zone"]), ("InstanceProfileIdentityByName", order["profile"])]
            parts.append((interface, order["primary_network_attachment"]["virtual_network_interface"]))
        case "GET", _:
            parts.append(("Instance", answer.body))
    for model, told in parts:
        kept = getattr(sdk, model).from_dict(told).to_dict()
        assert kept == told, f"{model} of the SDK differs in {_difference(kept, told)}"


def _difference(kept: Mapping[str, Any], told: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*kept, *told} if kept.get(name) != told.get(name))
