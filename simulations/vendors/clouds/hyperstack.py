"""Hyperstack, played: flavors grouped by GPU and region, prices per GPU as strings, stocks counted in machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError
from simulations.vendors.server import Route

KEY = "fake-hyperstack-key"
REASONS = {400: "bad_request", 401: "unauthorized", 404: "not_found", 409: "already_exist", 500: "server_error"}
REFUSALS = {
    Refusal.STOCKOUT: (400, "The requested flavor is out of stock in this region"),
    Refusal.QUOTA: (400, "Insufficient balance to create the resource"),
}
WANTED = {"name", "environment_name", "flavor_name", "key_name", "count"}
ALLOWED = WANTED | {"image_name", "assign_floating_ip", "enable_port_randomization", "labels", "user_data", "security_rules", "volume_name"}
SIZES = (1, 2, 4, 8, 10)
PAGE_SIZE_MAX = 100


class Hyperstack(Fake):
    """``infrahub-api.nexgencloud.com/v1``."""

    kind = "hyperstack"
    scalable = True
    late_stockouts = True
    assumed = {
        "stockout": 'a 400 whose message says "out of stock", as a maintained client expects',
        "stockout after the launch": "the machine ends in ERROR",
    }

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("n3-H100-SXM5x8", "H100-80G-SXM5", 8, 80, 192, 1800, 25.6, {"CANADA-1": 2, "US-1": 0}),
            Product("n3-L40x1", "L40", 1, 48, 28, 58, 1.0, {"CANADA-1": 5, "NORWAY-1": 1}),
            Product("n3-L40x1-spot", "L40-spot", 1, 48, 28, 58, 0.8, {"NORWAY-1": 3}),
            Product("n3-H100x2-NVLink", "H100-80G-PCIe-NVLink", 2, 80, 60, 360, 5.2, {"CANADA-1": 0}),
            Product("n3-RTX-A6000x4", "RTX-A6000", 4, 48, 124, 232, 2.0, {"CANADA-1": 7}),
            Product("n3-RTX-PRO6000-SEx1", "RTX-PRO6000-SE", 1, 96, 30, 200, 1.85, {"CANADA-1": 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"ssh_key": "ops", "image": "Ubuntu Server 22.04 LTS R570 CUDA 12.8"}
        return ProviderSettings("hyperstack", "hyperstack", account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"HYPERSTACK_API_KEY": KEY}

    def routes(self) -> list[Route]:
        return [
            ("GET", "/core/flavors", self._flavors),
            ("GET", "/core/stocks", self._stocks),
            ("GET", "/pricebook", self._pricebook),
            ("GET", "/core/virtual-machines", self._machines),
            ("POST", "/core/virtual-machines", self._launch),
            ("DELETE", r"/core/virtual-machines/(?P<id>\d+)", self._delete),
        ]

    def spoilt(self, status: int) -> Answer:
        if status >= 500:
            return Answer({"message": "Internal Server Error"}, status)
        return _error(status, "The request was refused.")

    def _flavors(self, asked: Asked) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        groups = [
            {"gpu": product.gpu, "region_name": region, "flavors": [_flavor(product, number, region, left)]}
            for number, product in enumerate(self.estate.products, start=101)
            for region, left in product.stock.items()
        ]
        cpu = _flavor(Product("n1-cpu-small", "", 0, 0, 4, 4, 0.35, {}), 100, "CANADA-1", 1)
        groups.append({"gpu": "", "region_name": "CANADA-1", "flavors": [cpu]})
        return Answer({"status": True, "message": "Getting flavor list success", "data": groups})

    def _stocks(self, asked: Asked) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        regions = sorted({region for product in self.estate.products for region in product.stock})
        stocks = [{"region": region, "stock-type": "GPU", "models": [*map(_model(region), self._in(region))]} for region in regions]
        return Answer({"stocks": stocks})

    def _in(self, region: str) -> list[Product]:
        return [product for product in self.estate.products if region in product.stock]

    def _pricebook(self, asked: Asked) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        per_gpu = {product.gpu: f"{product.usd_per_h / product.gpus:.9g}" for product in self.estate.products}
        book = {"vCPU": "0E-9", "RAM": "0E-9", "vCPU (cpu-only-flavors)": "0.0875", **per_gpu}
        return Answer([_price(number, name, value) for number, (name, value) in enumerate(book.items(), start=1)])

    def _machines(self, asked: Asked) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        page, size = int(asked.query.get("page", "1")), min(int(asked.query.get("pageSize", "10")), PAGE_SIZE_MAX)
        alive = [machine for machine in self.estate.machines.values() if machine.running or machine.failed]
        shown = [self._machine(machine) for machine in alive[(page - 1) * size : page * size]]
        head = {"status": True, "message": "Getting VMs successful", "page": page, "page_size": size, "count": len(alive)}
        return Answer({**head, "instances": shown})

    def _launch(self, asked: Asked) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        order = asked.body
        if set(order) - ALLOWED or WANTED - set(order) or order["count"] != 1 or len(order["name"]) > 50 or order["key_name"] != "ops":
            return _error(400, f"Unknown, missing or wrong parameters: {sorted(order)}")
        if any(machine.words["name"] == order["name"] for machine in self.estate.running):
            return _error(409, "A virtual machine with this name already exists")
        region = order["environment_name"].removeprefix("default-")
        if region not in self.estate.product(order["flavor_name"]).stock:
            return _error(404, "Environment not found")
        words = {"name": order["name"], "labels": ",".join(order.get("labels", []))}
        try:
            machine = self.estate.create(order["flavor_name"], region, words=words)
        except RefusedError as refused:
            return _error(*REFUSALS[refused.refusal])
        made = {**self._machine(machine), "status": "CREATING", "fixed_ip": None, "floating_ip": None}
        return Answer({"status": True, "message": "Instances created", "instances": [made]})

    def _delete(self, asked: Asked) -> Answer:
        if not _known(asked):
            return self.spoilt(401)
        numbered = {_number(machine): machine for machine in self.estate.machines.values()}
        machine = numbered.get(int(asked.parts["id"]))
        if machine is None or not self.estate.delete(machine.id):
            return _error(404, "Virtual machine not found")
        return Answer({"status": True, "message": "Deleting VM"})

    def _machine(self, machine: Machine) -> dict[str, Any]:
        product = self.estate.product(machine.product)
        return {
            "id": _number(machine),
            "name": machine.words["name"],
            "status": "ERROR" if machine.failed else "ACTIVE",
            "power_state": "NOSTATE" if machine.failed else "RUNNING",
            "vm_state": "error" if machine.failed else "active",
            "environment": {"id": 5, "org_id": 1, "name": f"default-{machine.place}", "region": machine.place},
            "flavor": {"id": 101, "name": product.name, "gpu": product.gpu, "gpu_count": product.gpus, "cpu": product.vcpus},
            "labels": machine.words["labels"].split(","),
            "fixed_ip": "10.0.0.42",
            "floating_ip": "203.0.113.42",
            "floating_ip_status": "ATTACHED",
        }


def _known(asked: Asked) -> bool:
    return asked.headers.get("api_key") == KEY


def _error(status: int, message: str) -> Answer:
    return Answer({"status": False, "message": message, "error_reason": REASONS.get(status, "bad_request")}, status)


def _flavor(product: Product, number: int, region: str, left: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": product.name,
        "display_name": None,
        "region_name": region,
        "cpu": product.vcpus,
        "ram": float(product.memory_gib),
        "disk": 100,
        "ephemeral": 750,
        "gpu": product.gpu,
        "gpu_count": product.gpus,
        "stock_available": left > 0,
        "labels": [],
        "features": {"network_optimised": False},
    }


def _model(region: str) -> Any:
    def told(product: Product) -> dict[str, Any]:
        left = product.stock[region]
        sizes = {f"{size}x": left if size == product.gpus else 0 for size in SIZES}
        planned = {"planned_7_days": "0", "planned_30_days": None, "planned_100_days": None}
        return {"model": product.gpu, "available": f"{left * product.gpus}+", **planned, "configurations": sizes}

    return told


def _price(number: int, name: str, value: str) -> dict[str, Any]:
    free = {"start_time": None, "end_time": None, "discount_applied": False}
    return {"id": number, "name": name, "value": value, "original_value": value, **free}


def _number(machine: Machine) -> int:
    return int(machine.id[:8])
