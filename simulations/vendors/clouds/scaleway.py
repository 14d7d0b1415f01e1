"""Scaleway, played: types and stock as maps by zone in numbered pages, euro, instances that are created first and started later."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from providers.currency import rate
from scheduler.domain.offer import Availability, StockBucket
from scheduler.domain.ports import ProviderSettings
from scheduler.domain.units import micro_usd
from simulations.vendors.estate import Machine, PageExpiredError, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, Seen
from simulations.vendors.server import Route

SECRET = "11111111-2222-4333-8444-555555555555"  # noqa: S105 - the fake's own
PROJECT = "99999999-2222-4333-8444-555555555555"
ZONES = ("fr-par-2", "nl-ams-1", "pl-waw-2")
TYPES = {401: "denied_authentication", 404: "not_found", 429: "too_many_requests", 500: "internal_error", 503: "unavailable"}
EURO = rate("EUR", {})
GIB = 2**30
PAGE_SIZE_MAX = 100
WORDS = {"available": StockBucket.HIGH, "scarce": StockBucket.LOW, "shortage": StockBucket.NONE}


class Scaleway(Fake):
    """``api.scaleway.com``, Instance and Block Storage."""

    kind = "scaleway"
    sdk = "scaleway"
    schema = "dataclasses of the SDK"
    paged = True
    regional = True
    assumed = {"stockout": "out_of_stock at the start of an instance that was created, with status 503"}

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("H100-SXM-8-80G", "H100-SXM", 8, 80, 128, 960, 27.0, {"fr-par-2": 1, "pl-waw-2": 0}),
            Product("L4-1-24G", "L4", 1, 24, 8, 48, 0.88, {"fr-par-2": 9, "nl-ams-1": 2, "pl-waw-2": 4}),
            Product("L40S-2-48G", "L40S", 2, 48, 16, 192, 3.3, {"fr-par-2": 0, "nl-ams-1": 5}),
            Product("H100-1-80G", "H100-PCIe", 1, 80, 24, 240, 3.2, {"fr-par-2": 3}),
        )

    def __init__(self) -> None:
        super().__init__()
        self._tokens: dict[tuple[str, str], str] = {}
        self._volumes: dict[str, dict[str, Any]] = {}

    def settings(self, url: str) -> ProviderSettings:
        options = {"project": PROJECT, "image": "ubuntu_jammy_gpu_os_12"}
        return ProviderSettings(
            "scaleway", "scaleway", account="main", endpoint=url, regions=("fr-par-2", "nl-ams-1", "pl-waw-2"), options=options
        )

    def environ(self) -> Mapping[str, str]:
        return {"SCW_SECRET_KEY": SECRET}

    def routes(self) -> list[Route]:
        base = "/instance/v1/zones/(?P<zone>[^/]+)"
        volumes = "/block/v1/zones/(?P<zone>[^/]+)/volumes"
        return [
            ("GET", f"{base}/products/servers", self._types),
            ("GET", f"{base}/products/servers/availability", self._availability),
            ("GET", f"{base}/servers", self._servers),
            ("POST", f"{base}/servers", self._create),
            ("GET", f"{base}/servers/(?P<id>[^/]+)", self._get),
            ("DELETE", f"{base}/servers/(?P<id>[^/]+)", self._delete),
            ("PATCH", f"{base}/servers/(?P<id>[^/]+)/user_data/cloud-init", self._user_data),
            ("POST", f"{base}/servers/(?P<id>[^/]+)/action", self._action),
            ("GET", volumes, self._list_volumes),
            ("DELETE", f"{volumes}/(?P<id>[^/]+)", self._delete_volume),
        ]

    def spoilt(self, status: int) -> Answer:
        return _error(status, TYPES.get(status, "internal_error"), "The service says no.")

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path.endswith("/servers")

    def is_release(self, asked: Asked) -> bool:
        return asked.method == "DELETE" or asked.path.endswith("/action")

    def region_of(self, asked: Asked) -> str:
        return asked.path.split("/")[4]

    # what is sold ---------------------------------------------------------------------------------------------------------------

    def _types(self, asked: Asked) -> Answer:
        return self._map(asked, {each.name: _type(each) for each in [*self._in(asked), Product("DEV1-S", "", 0, 0, 2, 2, 0.01, {})]})

    def _availability(self, asked: Asked) -> Answer:
        left = {each.name: each.stock[asked.parts["zone"]] for each in self._in(asked)}
        return self._map(asked, {name: {"availability": _word(count)} for name, count in left.items()})

    def _in(self, asked: Asked) -> list[Product]:
        return [product for product in self.estate.products if asked.parts["zone"] in product.stock]

    def _map(self, asked: Asked, named: Mapping[str, Any]) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        try:
            shown = self._page(list(named.items()), asked, "per_page")
        except PageExpiredError:
            return _error(400, "invalid_arguments", "page is out of range")
        return Answer({"servers": dict(shown)}, headers={"X-Total-Count": str(len(named))})

    def _page(self, rows: list[Any], asked: Asked, size: str) -> list[Any]:
        """A numbered page; the estate's tokens, under which pages misbehave, are kept by number."""
        number = int(asked.query.get("page", "1"))
        token = self._tokens.get((asked.path, str(number)), "") if number > 1 else ""
        shown, following = self.estate.page(rows, token, min(int(asked.query.get(size, "50")), PAGE_SIZE_MAX))
        self._tokens[asked.path, str(number + 1)] = following
        return shown

    # instances ------------------------------------------------------------------------------------------------------------------

    def _servers(self, asked: Asked) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        wanted = set(filter(None, asked.query.get("tags", "").split(",")))
        here = [machine for machine in self.estate.running if machine.place == asked.parts["zone"]]
        fits = [machine for machine in here if wanted <= set(machine.words["tags"].split(","))]
        return Answer({"servers": [_server(machine) for machine in fits]}, headers={"X-Total-Count": str(len(fits))})

    def _create(self, asked: Asked) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        order, zone = asked.body, asked.parts["zone"]
        boot = order["volumes"]["0"]
        if order["project"] != PROJECT or boot["size"] % 512 or zone not in self.estate.product(order["commercial_type"]).stock:
            return _error(400, "invalid_arguments", "Validation Error")
        words = {"name": order["name"], "tags": ",".join(order["tags"]), "state": "stopped", "volume": f"vol-{len(self._volumes) + 1}"}
        try:
            machine = self.estate.create(order["commercial_type"], zone, words=words)
        except RefusedError as refused:
            if refused.refusal is Refusal.QUOTA:
                return _error(403, "quotas_exceeded", "Quota exceeded for this resource.")
            machine = Machine(f"{len(self.estate.machines):08d}-ffff-4000-8000-000000000000", order["commercial_type"], zone, False, words)
            machine.words["sold_out"] = "yes"
            self.estate.machines[machine.id] = machine
        volume = {"id": words["volume"], "name": boot["name"], "type": "sbs_5k", "size": boot["size"], "project_id": PROJECT, "zone": zone}
        self._volumes[words["volume"]] = {**volume, "status": "in_use", "references": [], "tags": []}
        return Answer({"server": _server(machine)}, 201)

    def _found(self, asked: Asked) -> Machine | None:
        machine = self.estate.machines.get(asked.parts["id"])
        return machine if machine is not None and machine.running and machine.place == asked.parts["zone"] else None

    def _get(self, asked: Asked) -> Answer:
        machine = self._found(asked)
        return Answer({"server": _server(machine)}) if machine else _error(404, "unknown_resource", "Instance not found")

    def _user_data(self, asked: Asked) -> Answer:
        machine = self._found(asked)
        if machine is None or asked.headers.get("content-type") != "text/plain" or not asked.raw.startswith(b"#"):
            return _error(400, "invalid_arguments", "cloud-init wants its text")
        machine.words["user_data"] = asked.raw.decode()
        return Answer("", 204)

    def _action(self, asked: Asked) -> Answer:
        machine, action = self._found(asked), asked.body["action"]
        if machine is None:
            return _error(404, "unknown_resource", "Instance not found")
        if action not in (("poweron", "backup") if machine.words["state"] == "stopped" else ("terminate", "poweroff", "reboot")):
            return _error(400, "invalid_request_error", f"server should be in another state for {action}")
        if action == "poweron":
            if "sold_out" in machine.words:
                return _error(503, "out_of_stock", "resource is out of stock")
            machine.words["state"] = "running"
        else:
            self._end(machine)
        return Answer({"task": {"id": "task-1", "description": f"server_{action}", "progress": 0, "status": "pending"}}, 202)

    def _delete(self, asked: Asked) -> Answer:
        machine = self._found(asked)
        if machine is None:
            return _error(404, "unknown_resource", "Instance not found")
        if machine.words["state"] != "stopped":
            return _error(400, "invalid_request_error", "server should be stopped")
        self._end(machine)
        return Answer("", 204)

    def _end(self, machine: Machine) -> None:
        self.estate.delete(machine.id)
        self._volumes[machine.words["volume"]]["status"] = "available"

    # block storage --------------------------------------------------------------------------------------------------------------

    def _list_volumes(self, asked: Asked) -> Answer:
        fits = [each for each in self._volumes.values() if each["zone"] == asked.parts["zone"] and asked.query["name"] in each["name"]]
        gone = {machine.words["volume"] for machine in self.estate.running}
        return Answer(
            {"volumes": [{**each, "status": "in_use" if each["id"] in gone else "available"} for each in fits], "total_count": len(fits)}
        )

    def _delete_volume(self, asked: Asked) -> Answer:
        return Answer("", 204) if self._volumes.pop(asked.parts["id"], None) else _error(404, "not_found", "resource is not found")

    # the vendor's own view ------------------------------------------------------------------------------------------------------

    def check(self, asked: Asked, answer: Answer) -> None:
        if answer.status >= 400 or answer.status == 204:
            return
        import scaleway.block.v1.types as block
        import scaleway.instance.v1.marshalling as read
        import scaleway.instance.v1.types as types

        if asked.path.endswith("/availability"):
            read.unmarshal_GetServerTypesAvailabilityResponse(answer.body)
        elif "/products/" in asked.path:
            read.unmarshal_ListServersTypesResponse(answer.body)
            _known_fields(types.ServerType, *answer.body["servers"].values())
        elif "/block/" in asked.path:
            _known_fields(
                block.Volume, *({"type_" if key == "type" else key: value for key, value in row.items()} for row in answer.body["volumes"])
            )
        elif asked.path.endswith("/action"):
            types.ServerAction(asked.body["action"])
        elif asked.method == "POST":
            _known_fields(types.CreateServerRequest, asked.body)
            _known_fields(types.VolumeServerTemplate, *asked.body["volumes"].values())
        for server in [answer.body["server"]] if "server" in answer.body else []:
            read.unmarshal_Server(server)
            _known_fields(types.Server, server)

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        from scaleway import Client
        from scaleway.instance.v1 import InstanceV1API

        client = Client(access_key="SCWFAKEFAKEFAKEFAKE0", secret_key=SECRET, api_url=url, default_project_id=PROJECT)
        for zone in ZONES:
            api = InstanceV1API(client)
            stock = api.get_server_types_availability(zone=zone).servers
            for name, kind in api.list_servers_types(zone=zone).servers.items():
                if kind.gpu:
                    bucket = Availability.of_bucket(WORDS[str(stock[name].availability)])
                    yield Seen(name, zone, False, micro_usd(EURO.convert(kind.hourly_price)), bucket.text())


def _known_fields(model: Any, *rows: Mapping[str, Any]) -> None:
    """Raises TypeError where a row has a field that the SDK's dataclass does not know."""
    names = {field.name for field in dataclasses.fields(model)}
    for row in rows:
        if set(row) - names:
            raise TypeError(f"{model.__name__} has no {sorted(set(row) - names)}")


def _known(asked: Asked) -> bool:
    return asked.headers.get("x-auth-token") == SECRET


def _error(status: int, kind: str, message: str) -> Answer:
    return Answer({"type": kind, "message": message}, status)


def _word(left: int) -> str:
    return "shortage" if left == 0 else "scarce" if left < 3 else "available"


def _type(product: Product) -> dict[str, Any]:
    card = {"gpu_manufacturer": "NVIDIA", "gpu_name": product.gpu, "gpu_memory": product.gpu_memory_gib * GIB}
    euro = product.usd_per_h / float(EURO.usd)
    return {
        "hourly_price": round(euro, 6) if euro == euro else euro,
        "monthly_price": None,
        "alt_names": [],
        "ncpus": product.vcpus,
        "ram": product.memory_gib * GIB,
        "arch": "x86_64",
        "gpu": product.gpus,
        "gpu_info": card if product.gpus else None,
        "scratch_storage_max_volumes_count": 0,
        "end_of_service": False,
    }


def _server(machine: Machine) -> dict[str, Any]:
    volume = {"id": machine.words["volume"], "volume_type": "sbs_volume", "boot": True, "zone": machine.place}
    return {
        "id": machine.id,
        "name": machine.words["name"],
        "organization": PROJECT,
        "project": PROJECT,
        "allowed_actions": ["poweron", "backup"] if machine.words["state"] == "stopped" else ["poweroff", "terminate", "reboot"],
        "tags": machine.words["tags"].split(","),
        "commercial_type": machine.product,
        "dynamic_ip_required": True,
        "hostname": machine.words["name"],
        "protected": False,
        "public_ips": [],
        "mac_address": "de:00:00:00:00:01",
        "state": machine.words["state"],
        "boot_type": "local",
        "volumes": {"0": volume},
        "maintenances": [],
        "state_detail": "",
        "arch": "x86_64",
        "private_nics": [],
        "zone": machine.place,
        "filesystems": [],
        "end_of_service": False,
    }
