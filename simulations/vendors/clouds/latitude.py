"""Latitude.sh, played: JSON:API, plans with regions and sites, counted stock, user data as an object of its own."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scheduler.domain.ports import ProviderSettings
from scheduler.domain.units import micro_usd
from simulations.vendors.estate import Estate, Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, Seen
from simulations.vendors.server import Route

KEY = "fake-latitude-key"
JSON_API = "application/vnd.api+json"
CODES = {401: "UNAUTHORIZED", 404: "NOT_FOUND", 422: "VALIDATION_ERROR", 429: "RATE_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR"}
REFUSALS = {
    Refusal.STOCKOUT: ("SERVERS_OUT_OF_STOCK", "No stock availability for the selected plan"),
    # Assumed: the vendor's code for this is not known.
    Refusal.QUOTA: ("FORBIDDEN", "The team has reached its limit of servers"),
}
REGIONS = {"ASH": "United States", "DAL": "United States", "FRA": "Germany", "SAO2": "Brazil"}
LINKS = {"NVIDIA H100": "PCIe", "NVIDIA B300": "NVLink", "NVIDIA RTX PRO 6000": "PCIe"}


class Latitude(Fake):
    """``api.latitude.sh``."""

    kind = "latitude"
    scalable = True
    assumed = {"quota": "status and wording of a quota refusal"}
    sdk = "latitudesh-python-sdk"
    schema = "the SDK's pydantic models"

    def __init__(self, estate: Estate | None = None) -> None:
        super().__init__(estate)
        # The SDK takes seconds to import; a request that is being validated cannot wait for it.
        self._models: Any = importlib.import_module("latitudesh_python_sdk.models")
        self.user_data: dict[str, dict[str, Any]] = {}

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("g4-b300-large", "NVIDIA B300", 8, 270, 128, 3072, 64.0, {"ASH": 1, "FRA": 0}),
            Product("g3-h100-small", "NVIDIA H100", 1, 80, 16, 128, 1.8, {"DAL": 2, "FRA": 3, "ASH": 0}),
            Product("g4-rtx6kpro-large", "NVIDIA RTX PRO 6000", 8, 96, 64, 1536, 12.4, {"SAO2": 1, "DAL": 4}),
        )

    def settings(self, url: str) -> ProviderSettings:
        return ProviderSettings("latitude", "latitude", account="main", endpoint=url, options={"project": "inference"})

    def environ(self) -> Mapping[str, str]:
        return {"LATITUDESH_API_KEY": KEY}

    def routes(self) -> list[Route]:
        calls: list[Route] = [
            ("GET", "/plans", self._plans),
            ("GET", "/servers", lambda asked: _listed([_server(each, self.estate) for each in self.estate.running])),
            ("POST", "/servers", self._deploy),
            ("DELETE", "/servers/(?P<id>[^/]+)", self._destroy),
            ("GET", "/user_data", lambda asked: _listed(list(self.user_data.values()))),
            ("POST", "/user_data", self._keep),
            ("DELETE", "/user_data/(?P<id>[^/]+)", self._forget),
        ]
        return [(method, path, self._guarded(action)) for method, path, action in calls]

    def check(self, asked: Asked, answer: Answer) -> None:
        if answer.status >= 300:
            return
        wanted = {
            ("POST", "/servers"): (self._models.CreateServerServersRequestBody, self._models.Server),
            ("POST", "/user_data"): (self._models.PostUserDataUserDataRequestBody, self._models.UserDataObject),
            ("GET", "/plans"): (None, self._models.GetPlansResponseBody),
            ("GET", "/servers"): (None, self._models.Servers),
            ("GET", "/user_data"): (None, self._models.UserData),
        }.get((asked.method, asked.path), (None, None))
        for model, document in zip(wanted, (asked.body, answer.body), strict=True):
            if model is not None:
                _validate(model, document)

    def spoilt(self, status: int) -> Answer:
        return _error(status, CODES.get(status, "ERROR"), "The server says no.")

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path == "/servers"

    def is_release(self, asked: Asked) -> bool:
        return asked.method == "DELETE" and asked.path.startswith("/servers")

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """The SDK's plans, its dollars and its counts."""
        from latitudesh_python_sdk import Latitudesh

        with Latitudesh(bearer=KEY, server_url=url) as client:
            for plan in client.plans.list().data or []:
                for region in (plan.attributes.regions if plan.attributes.specs.gpu else None) or []:
                    for site in region.locations.available:
                        count = region.locations.in_stock_count.get(site, 0)
                        price = micro_usd(region.pricing["USD"].hour)
                        yield Seen(plan.attributes.slug, site, spot=False, micro_usd_per_h=price, stock=f"{count} left")

    def _guarded(self, action: Any) -> Any:
        def guarded(asked: Asked) -> Answer:
            answer: Answer = action(asked) if asked.headers.get("authorization") == KEY else self.spoilt(401)
            return replace(answer, headers={"Content-Type": JSON_API})

        return guarded

    def _plans(self, asked: Asked) -> Answer:
        cpu_only = {
            "slug": "c3-small-x86",
            "name": "c3.small.x86",
            "specs": {"cpu": {"cores": 6.0}, "memory": {"total": 32.0}},
            "regions": [],
        }
        return Answer({"data": [*map(_plan, self.estate.products), {"id": "plan_c3", "type": "plans", "attributes": cpu_only}]})

    def _deploy(self, asked: Asked) -> Answer:
        order = asked.body["data"]["attributes"]
        if asked.headers.get("content-type") != JSON_API or asked.body["data"]["type"] != "servers":
            return _error(415, "UNSUPPORTED_MEDIA_TYPE", "JSON:API wanted")
        if order["user_data"] not in self.user_data or order["site"] not in REGIONS or order["billing"] != "hourly":
            return _error(422, "VALIDATION_ERROR", "must exist")
        try:
            machine = self.estate.create(order["plan"], order["site"], words={"hostname": order["hostname"]})
        except RefusedError as refused:
            return _error(422, *REFUSALS[refused.refusal])
        return Answer({"data": _server(machine, self.estate), "meta": {}}, 201)

    def _destroy(self, asked: Asked) -> Answer:
        return Answer(None, 204) if self.estate.delete(asked.parts["id"].removeprefix("sv_")) else self.spoilt(404)

    def _keep(self, asked: Asked) -> Answer:
        told = asked.body["data"]["attributes"]
        base64.b64decode(told["content"], validate=True)
        made = {"id": f"ud_{len(self.user_data)}", "type": "user_data"}
        self.user_data[made["id"]] = {**made, "attributes": {"description": told["description"], "content": told["content"]}}
        return Answer({"data": self.user_data[made["id"]], "meta": {}}, 201)

    def _forget(self, asked: Asked) -> Answer:
        return Answer(None, 204) if self.user_data.pop(asked.parts["id"], None) else self.spoilt(404)


def _error(status: int, code: str, detail: str) -> Answer:
    return Answer({"errors": [{"code": code, "status": str(status), "title": code.title(), "detail": detail}]}, status)


def _listed(found: list[dict[str, Any]]) -> Answer:
    return Answer({"data": found, "meta": {"stats": {"total": {"count": len(found)}}}})


def _validate(model: Any, document: Any) -> None:
    """The SDK's model takes it and gives the same back: no unknown field, no wrong type."""
    back = model.model_validate(document).model_dump(mode="json", by_alias=True)
    if _comparable(back) != _comparable(document):
        raise ValueError(f"{model.__name__} has fields that the SDK does not know: {document} instead of {back}")


def _comparable(document: Any) -> Any:
    """The document with null for NaN, as the SDK writes it."""
    return json.loads(json.dumps(document), parse_constant=lambda _: None)


def _plan(product: Product) -> dict[str, Any]:
    gpu = {"count": product.gpus, "type": product.gpu, "vram_per_gpu": product.gpu_memory_gib, "interconnect": LINKS.get(product.gpu)}
    regions = [_region(name, product) for name in sorted({REGIONS[site] for site in product.stock})]
    return {
        "id": f"plan_{product.name}",
        "type": "plans",
        "attributes": {
            "slug": product.name,
            "name": product.name.replace("-", "."),
            "features": ["ssh", "user_data"],
            "specs": {"cpu": {"cores": product.vcpus / 2, "count": 2}, "memory": {"total": product.memory_gib}, "gpu": gpu},
            "regions": regions,
        },
    }


def _region(name: str, product: Product) -> dict[str, Any]:
    here = {site: stock for site, stock in product.stock.items() if REGIONS[site] == name}
    stocked = {site: stock for site, stock in here.items() if stock}
    return {
        "name": name,
        "locations": {"available": list(here), "in_stock": list(stocked), "in_stock_count": stocked},
        "stock_level": "low" if stocked else "unavailable",
        "pricing": {"USD": {"hour": product.usd_per_h, "month": None, "year": None}},
    }


def _server(machine: Machine, estate: Estate) -> dict[str, Any]:
    site = {"id": "loc_1", "slug": machine.place, "name": machine.place, "facility": "DC 1"}
    return {
        "id": f"sv_{machine.id}",
        "type": "servers",
        "attributes": {
            "hostname": machine.words["hostname"],
            "status": "deploying",
            "role": "Bare Metal",
            "primary_ipv4": "198.51.100.5",
            "plan": {"slug": machine.product, "billing": "hourly"},
            "region": {"city": machine.place, "country": REGIONS[machine.place], "site": site},
        },
    }
