"""Linode, played: numbered pages, dollars per plan with prices by region, labels that are unique, errors in prose."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from scheduler.domain.units import micro_usd
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, PageExpiredError, Product, RefusedError, Seen, bearer
from simulations.vendors.server import Route

KEY = "fake-linode-token"
REASONS = {401: "Invalid Token", 404: "Not found", 429: "Too many requests", 500: "Internal Server Error", 503: "Service unavailable"}
REFUSALS = {
    Refusal.STOCKOUT: "There is no availability for the selected plan in the selected region.",
    Refusal.QUOTA: "Account Limit reached. Please open a support ticket.",
}
ORDER = {"type", "region", "image", "label", "tags", "authorized_users", "authorized_keys", "root_pass", "metadata", "firewall_id"}
COUNTRIES = {"us-ord": "us", "de-fra-2": "de", "jp-osa": "jp"}
DEARER = {"jp-osa": 1.2}
CPU_PLAN = Product("g6-standard-2", "", 0, 0, 2, 4, 0.036, {"us-ord": 100})
PAGE_SIZES = range(25, 501)


class Linode(Fake):
    """``api.linode.com/v4``."""

    kind = "linode"
    scalable = True
    assumed = {"quota": "the message, from an issue of 2021", "stockout": "the message, from reports of 2015 and 2020"}
    sdk = "linode-api4"
    schema = "property lists of the SDK's objects"
    paged = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("g3-gpu-rtxpro6000-1", "RTX PRO 6000 Blackwell Server Edition", 1, 96, 16, 128, 2.5, {"us-ord": 1, "de-fra-2": 0}),
            Product("g2-gpu-rtx4000a1-s", "RTX4000 Ada", 1, 20, 4, 16, 0.52, {"us-ord": 2, "de-fra-2": 3, "jp-osa": 1}),
            Product("g2-gpu-rtx4000a4-m", "RTX4000 Ada", 4, 20, 48, 192, 3.57, {"jp-osa": 0, "us-ord": 1}),
            Product("g1-gpu-rtx6000-1", "RTX6000", 1, 24, 8, 32, 1.5, {"us-ord": 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        return ProviderSettings("linode", "linode", account="main", endpoint=url, options={"users": "ops"})

    def environ(self) -> Mapping[str, str]:
        return {"LINODE_TOKEN": KEY}

    def routes(self) -> list[Route]:
        return [
            ("GET", "/linode/types", lambda asked: self._listed(asked, [_type(product) for product in (*self.estate.products, CPU_PLAN)])),
            ("GET", "/regions", lambda asked: self._listed(asked, [_region(region) for region in COUNTRIES])),
            ("GET", "/regions/availability", lambda asked: self._listed(asked, self._stock())),
            ("GET", "/linode/instances", lambda asked: self._listed(asked, [_instance(machine) for machine in self.estate.running])),
            ("POST", "/linode/instances", self._create),
            ("DELETE", r"/linode/instances/(?P<id>\d+)", self._delete),
        ]

    def check(self, asked: Asked, answer: Answer) -> None:
        from linode_api4.objects import Instance, Region, Type  # type: ignore[import-untyped]

        model = {"/linode/types": Type, "/regions": Region, "/linode/instances": Instance}.get(asked.path)
        if model is None or asked.method != "GET" or answer.status != 200:
            return
        for row in answer.body["data"]:
            unknown = set(row) - set(model.properties) - {"class"}
            if unknown:
                raise ValueError(f"the SDK's {model.__name__} knows no {sorted(unknown)}")

    def spoilt(self, status: int) -> Answer:
        return _error(status, REASONS.get(status, "Bad request"))

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """The SDK's objects; its prices are dollars, its availability entries are joined by hand."""
        from linode_api4 import LinodeClient  # type: ignore[import-untyped]

        client = LinodeClient(KEY, base_url=url, retry=False)
        stock = {(entry.region, entry.plan): entry.available for entry in client.regions.availability()}
        for plan in client.linode.types():
            elsewhere = {price.id: price.hourly for price in plan.region_prices}
            for region, named in stock:
                if named == plan.id and plan.type_class == "gpu":
                    price = micro_usd(elsewhere.get(region, plan.price.hourly))
                    yield Seen(
                        plan.id, region, spot=False, micro_usd_per_h=price, stock="available" if stock[region, named] else "sold out"
                    )

    def _listed(self, asked: Asked, rows: list[dict[str, Any]]) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        number, size = int(asked.query.get("page", 1)), int(asked.query.get("page_size", 100))
        if size not in PAGE_SIZES:
            return _error(400, "Must be 25-500", "page_size")
        return self._page(rows, number, size)

    def _page(self, rows: list[dict[str, Any]], number: int, size: int) -> Answer:
        """The page of that number; pages before it are turned, because the estate knows tokens only."""
        token, page, following = "", list[dict[str, Any]](), ""
        try:
            for _ in range(number):
                page, following = self.estate.page(rows, token, size)
                token = following
                if not following:
                    break
        except PageExpiredError:
            return _error(400, "Page is out of range", "page")
        return Answer({"data": page, "page": number, "pages": number + bool(following), "results": len(rows)})

    def _stock(self) -> list[dict[str, Any]]:
        return [
            {"region": region, "plan": product.name, "available": count > 0}
            for product in self.estate.products
            for region, count in product.stock.items()
        ]

    def _create(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        order = asked.body
        if set(order) - ORDER or order["region"] not in COUNTRIES or not order["authorized_users"]:
            return _error(400, f"unknown or missing fields: {sorted(order)}")
        if any(machine.words["label"] == order["label"] for machine in self.estate.running):
            return _error(400, "Label must be unique among your linodes", "label")
        base64.b64decode(order["metadata"]["user_data"], validate=True)
        try:
            words = {"label": order["label"], "tags": ",".join(order["tags"])}
            return Answer(_instance(self.estate.create(order["type"], order["region"], words=words)))
        except RefusedError as refused:
            return _error(400, REFUSALS[refused.refusal], "region")

    def _delete(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        found = [machine.id for machine in self.estate.running if _number(machine) == int(asked.parts["id"])]
        return Answer({}) if found and self.estate.delete(found[0]) else self.spoilt(404)


def _error(status: int, reason: str, field: str = "") -> Answer:
    return Answer({"errors": [{"reason": reason, **({"field": field} if field else {})}]}, status)


def _number(machine: Machine) -> int:
    return int(machine.id.split("-")[0]) + 71_000_000


def _type(product: Product) -> dict[str, Any]:
    label = f"{product.gpu} x{product.gpus} Small" if product.gpus else f"Linode {product.memory_gib}GB"
    if product.name.startswith("g1-"):
        label = f"Dedicated {product.memory_gib}GB + {product.gpu} GPU x{product.gpus}"
    return {
        "id": product.name,
        "label": label,
        "class": "gpu" if product.gpus else "standard",
        "gpus": product.gpus,
        "accelerated_devices": 0,
        "vcpus": product.vcpus,
        "memory": product.memory_gib * 1024,
        "disk": 524288,
        "transfer": 0,
        "network_out": 10000,
        "successor": None,
        "price": {"hourly": product.usd_per_h, "monthly": product.usd_per_h * 672},
        "region_prices": [{"id": region, "hourly": round(product.usd_per_h * more, 4), "monthly": 0} for region, more in DEARER.items()],
        "addons": {"backups": {"price": {"hourly": None, "monthly": None}, "region_prices": []}},
    }


def _region(region: str) -> dict[str, Any]:
    return {
        "id": region,
        "label": region,
        "country": COUNTRIES[region],
        "capabilities": ["Linodes", "GPU Linodes", "Metadata"],
        "status": "ok",
        "site_type": "core",
        "resolvers": {"ipv4": "198.51.100.1", "ipv6": "2001:db8::1"},
    }


def _instance(machine: Machine) -> dict[str, Any]:
    return {
        "id": _number(machine),
        "label": machine.words["label"],
        "status": "provisioning",
        "region": machine.place,
        "type": machine.product,
        "image": "linode/ubuntu24.04",
        "ipv4": ["198.51.100.9"],
        "ipv6": None,
        "tags": machine.words["tags"].split(","),
        "has_user_data": True,
    }
