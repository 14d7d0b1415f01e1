"""Verda, played: a sign-in before everything, prices as strings, stock as lists of types by location, ids as plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product as every
from types import SimpleNamespace
from typing import Any

from scheduler.domain.offer import Availability
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Estate, Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, Seen, bearer
from simulations.vendors.server import Route

CLIENT, SECRET, TOKEN = "fake-client", "fake-secret", "fake-access-token"
CODES = {
    400: "invalid_request",
    401: "unauthorized_request",
    402: "insufficient_funds",
    404: "not_found",
    500: "server_error",
    503: "service_unavailable",
}
PLACES = {"FIN-01": "FI", "FIN-03": "FI", "ICE-01": "IS"}
ORDER = {
    "instance_type", "image", "ssh_key_ids", "startup_script_id", "hostname", "description", "location_code", "os_volume", "volumes",
    "existing_volumes", "is_spot", "coupon", "contract", "pricing",
}  # fmt: skip


class Verda(Fake):
    """``api.verda.com/v1``. A machine without capacity is accepted and then becomes ``no_capacity``."""

    kind = "verda"
    scalable = True
    sdk = "verda"
    schema = "classes of the SDK"
    late_stockouts = True

    def __init__(self, estate: Estate | None = None) -> None:
        super().__init__(estate)
        self.scripts: dict[str, dict[str, str]] = {}

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("8H100.80S.176V", "H100 SXM5 80GB", 8, 80, 176, 1480, 18.32, {"FIN-01": 2, "ICE-01": 0}, 6.41),
            Product("1L40S.20V", "L40S 48GB", 1, 48, 20, 60, 0.914, {"FIN-01": 0, "FIN-03": 4}, 0.32),
            Product("1A100.40S.22V", "A100 SXM4 40GB", 1, 40, 22, 120, 0.7211, {"FIN-01": 1}, 0.2524),
            Product("1RTXPRO6000.30V", "RTX PRO 6000 96GB", 1, 96, 30, 150, 1.39, {"FIN-03": 1, "ICE-01": 3}, 0.49),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"image": "ubuntu-24.04-cuda-12.8-open-docker", "ssh_keys": "12345dc1-a5d2-4972-ae4e-d429115d055b"}
        return ProviderSettings("verda", "verda", account="main", endpoint=f"{url}/v1", options=options)

    def environ(self) -> Mapping[str, str]:
        return {"VERDA_CLIENT_ID": CLIENT, "VERDA_CLIENT_SECRET": SECRET}

    def routes(self) -> list[Route]:
        calls = [
            ("GET", "/v1/locations", self._locations),
            ("GET", "/v1/instance-types", self._types),
            ("GET", "/v1/instance-availability", self._availability),
            ("GET", "/v1/instances", self._instances),
            ("GET", "/v1/instances/(?P<id>[^/]+)", self._instance),
            ("POST", "/v1/instances", self._create),
            ("PUT", "/v1/instances", self._act),
            ("GET", "/v1/scripts", self._scripts),
            ("POST", "/v1/scripts", self._add_script),
            ("DELETE", "/v1/scripts", self._drop_scripts),
        ]
        signed_in: list[Route] = [(method, path, self._for_the_signed_in(call)) for method, path, call in calls]
        return [("POST", "/v1/oauth2/token", self._sign_in), *signed_in]

    def _for_the_signed_in(self, call: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        return lambda asked: call(asked) if bearer(asked, TOKEN) else self.spoilt(401)

    def spoilt(self, status: int) -> Answer:
        return Answer({"code": CODES.get(status, "too_many_requests"), "message": "the server says no"}, status)

    def is_sign_in(self, asked: Asked) -> bool:
        return asked.path.endswith("/oauth2/token")

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path.endswith("/instances")

    def is_release(self, asked: Asked) -> bool:
        return asked.method in ("PUT", "DELETE")

    def check(self, asked: Asked, answer: Answer) -> None:
        """The SDK's services, handed our requests and the fake's answers instead of a connection."""
        if not self.is_sign_in(asked) and answer.status < 300:
            machine = self.estate.machines.get(answer.body) if self.is_launch(asked) else None
            _checked_by_sdk(asked, answer, _instance(machine, self.estate.product(machine.product)) if machine else None)

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        from verda import VerdaClient  # type: ignore[import-untyped]

        client = VerdaClient(CLIENT, SECRET, base_url=f"{url}/v1")
        places = [place["code"] for place in client.locations.get()]
        for spot in (False, True):
            stock = {row["location_code"]: row["availabilities"] for row in client.instances.get_availabilities(is_spot=spot)}
            for kind, place in every(client.instance_types.get(currency="usd"), places):
                if kind.gpu["number_of_gpus"]:
                    price = kind.spot_price_per_hour if spot else kind.price_per_hour
                    told = Availability.of_boolean(kind.instance_type in stock.get(place, [])).text()
                    yield Seen(kind.instance_type, place, spot, round(price * 1_000_000), told)

    # the calls ------------------------------------------------------------------------------------------------------------------

    def _sign_in(self, asked: Asked) -> Answer:
        body = asked.body
        if (body.get("grant_type"), body.get("client_id"), body.get("client_secret")) != ("client_credentials", CLIENT, SECRET):
            return Answer({"code": CODES[401], "message": "Invalid client"}, 401)
        told = {"refresh_token": "fake-refresh-token", "scope": "cloud-api-v1", "token_type": "Bearer", "expires_in": 3600}
        return Answer({"access_token": TOKEN} | told)

    def _locations(self, asked: Asked) -> Answer:
        return Answer([{"code": code, "name": code.title(), "country_code": country} for code, country in PLACES.items()])

    def _types(self, asked: Asked) -> Answer:
        if asked.query != {"currency": "usd"}:
            return Answer({"code": CODES[400], "message": "currency is usd here"}, 400)
        return Answer([*map(_type, self.estate.products), _type(Product("CPU.4V.16G", "", 0, 0, 4, 16, 0.0279, {}, 0.0098))])

    def _availability(self, asked: Asked) -> Answer:
        if asked.query.get("isSpot") not in ("true", "false"):
            return Answer({"code": CODES[400], "message": "isSpot must be a boolean"}, 400)
        stocked = {place: [each.name for each in self.estate.products if each.stock.get(place, 0) > 0] for place in PLACES}
        return Answer([{"location_code": place, "availabilities": names} for place, names in stocked.items()])

    def _instances(self, asked: Asked) -> Answer:
        listed = [machine for machine in self.estate.machines.values() if machine.running or machine.failed]
        return Answer([_instance(machine, self.estate.product(machine.product)) for machine in listed])

    def _instance(self, asked: Asked) -> Answer:
        machine = self.estate.machines.get(asked.parts["id"])
        if machine is None:
            return Answer({"code": CODES[404], "message": "Instance not found"}, 404)
        return Answer(_instance(machine, self.estate.product(machine.product)))

    def _create(self, asked: Asked) -> Answer:
        order = asked.body
        if set(order) - ORDER or not all(
            order.get(name) for name in ("instance_type", "image", "hostname", "description", "location_code")
        ):
            return Answer({"code": CODES[400], "message": f"unknown or missing fields: {sorted(order)}"}, 400)
        if order.get("startup_script_id") not in self.scripts or order["location_code"] not in PLACES:
            return Answer({"code": CODES[404], "message": "no such startup script or location"}, 404)
        words = {name: order[name] for name in ("hostname", "description", "image", "startup_script_id")}
        arguments = (order["instance_type"], order["location_code"])
        try:
            machine = self.estate.create(*arguments, spot=order["is_spot"], words=words)
        except RefusedError as refused:
            if refused.refusal is Refusal.QUOTA:
                return Answer({"code": CODES[402], "message": "You have insufficient funds to deploy this instance"}, 402)
            machine = self._accepted_in_vain(arguments, words)
        return Answer(machine.id, 202, {"Content-Type": "text/plain"})

    def _accepted_in_vain(self, arguments: tuple[str, str], words: Mapping[str, str]) -> Machine:
        machine = Machine("ffffffff-0000-4000-8000-000000000000", *arguments, spot=False, words=dict(words), running=False, failed=True)
        self.estate.machines[machine.id] = machine
        return machine

    def _act(self, asked: Asked) -> Answer:
        if asked.body.get("action") != "delete" or not isinstance(asked.body.get("id"), list):
            return Answer({"code": CODES[400], "message": "action not allowed"}, 400)
        results = [self._deleted(each) for each in asked.body["id"]]
        return Answer(results, 202 if all(result["status"] == "success" for result in results) else 207)

    def _deleted(self, machine: str) -> dict[str, Any]:
        result = {"action": "delete", "instanceId": machine}
        failed = self.estate.machines.get(machine)
        if failed is not None and failed.failed:
            del self.estate.machines[machine]
        elif not self.estate.delete(machine):
            return result | {"status": "error", "error": "instance not found", "statusCode": 404}
        return result | {"status": "success"}

    def _scripts(self, asked: Asked) -> Answer:
        return Answer(list(self.scripts.values()))

    def _add_script(self, asked: Asked) -> Answer:
        made = f"5c819700-0000-4000-8000-{len(self.scripts):012d}"
        self.scripts[made] = {"id": made, "name": asked.body["name"], "script": asked.body["script"]}
        return Answer(made, 201, {"Content-Type": "text/plain"})

    def _drop_scripts(self, asked: Asked) -> Answer:
        for script in asked.body["scripts"]:
            del self.scripts[script]
        return Answer("", 200)


def _type(product: Product) -> dict[str, Any]:
    name, vram = f"{product.gpus}x {product.gpu}" if product.gpus else "", product.gpus * product.gpu_memory_gib
    return {
        "id": f"01cf5dc1-a5d2-4972-ae4e-{product.vcpus:012d}",
        "instance_type": product.name,
        "price_per_hour": f"{product.usd_per_h:.4f}",
        "spot_price": f"{product.spot_usd_per_h:.4f}",
        "description": "Dedicated Hardware Instance",
        "cpu": {"description": f"{product.vcpus} CPU", "number_of_cores": product.vcpus},
        "gpu": {"description": name, "number_of_gpus": product.gpus},
        "memory": {"description": f"{product.memory_gib}GB RAM", "size_in_gigabytes": product.memory_gib},
        "gpu_memory": {"description": f"{vram}GB GPU RAM", "size_in_gigabytes": vram},
        "storage": {"description": "dynamic"},
        "best_for": ["Large model inference"],
        "model": product.gpu.split(" ")[0],
        "name": product.gpu,
        "p2p": "",
        "currency": "usd",
        "manufacturer": "NVIDIA",
        "display_name": f"NVIDIA {product.gpu}",
        "supported_os": ["ubuntu-24.04-cuda-12.8-open-docker"],
    }


def _instance(machine: Machine, product: Product) -> dict[str, Any]:
    told = _type(product)
    return {
        "id": machine.id,
        "instance_type": product.name,
        "price_per_hour": product.usd_per_h,
        "hostname": machine.words["hostname"],
        "description": machine.words["description"],
        "status": "no_capacity" if machine.failed else "running" if machine.running else "discontinued",
        "created_at": "2026-08-20T06:16:19.436Z",
        "ssh_key_ids": [],
        **{part: told[part] for part in ("cpu", "gpu", "memory", "storage", "gpu_memory")},
        "ip": "203.0.113.7" if machine.running else None,
        "os_volume_id": None,
        "location": machine.place,
        "image": machine.words["image"],
        "startup_script_id": machine.words["startup_script_id"],
        "is_spot": machine.spot,
        "contract": "SPOT" if machine.spot else "PAY_AS_YOU_GO",
        "pricing": "FIXED_PRICE",
    }


class _Wire:
    """Stands in for the SDK's connection: keeps what the SDK would send, and hands it the fake's answers."""

    def __init__(self, body: Any, instance: Mapping[str, Any] | None = None) -> None:
        """``instance`` is what the SDK finds when it looks at what it has just created."""
        self.sent: dict[str, Any] = {}
        self._body, self._instance = body, instance

    def get(self, *path: str, **rest: object) -> Any:
        return SimpleNamespace(json=lambda: self._body if self._instance is None else self._instance)

    def _change(self, *path: str, json: Mapping[str, Any] | None = None, **rest: object) -> Any:
        self.sent = dict(json or {})
        return SimpleNamespace(text=self._body)

    post = put = delete = _change


def _checked_by_sdk(asked: Asked, answer: Answer, made: Mapping[str, Any] | None) -> None:
    """Raises where the SDK would have sent something else, or cannot read the answer."""
    from verda.instance_types import InstanceTypesService  # type: ignore[import-untyped]
    from verda.instances import InstancesService  # type: ignore[import-untyped]
    from verda.startup_scripts import StartupScriptsService  # type: ignore[import-untyped]

    wire, body = _Wire(answer.body, made), asked.body
    match asked.method, asked.path.removeprefix("/v1"):
        case "GET", "/instance-types":
            InstanceTypesService(wire).get()
        case "GET", "/instances":
            for instance in InstancesService(wire).get():
                assert all((instance.id, instance.status, instance.location)), "the SDK misses fields"
        case "GET", "/scripts":
            StartupScriptsService(wire).get()
        case "POST", "/instances":
            arguments = {name.removesuffix("_code"): value for name, value in body.items()}
            assert InstancesService(wire).create(**arguments, wait_for_status=None).id == answer.body
        case "PUT", "/instances":
            InstancesService(wire).action(body["id"], body["action"], body["volume_ids"])
        case "POST", "/scripts":
            StartupScriptsService(wire).create(body["name"], body["script"])
        case "DELETE", "/scripts":
            StartupScriptsService(wire).delete(body["scripts"])
    odd = {name: value for name, value in (body or {}).items() if wire.sent.get(name) != value}
    assert not odd, f"the SDK would not send {odd}"
