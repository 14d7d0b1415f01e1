"""Lambda Cloud, played: instance types as a map, cents, regions with capacity, launches by region and type."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, bearer
from simulations.vendors.server import Route

KEY = "secret_fake_lambda"
CODES = {401: "global/invalid-api-key", 404: "global/object-does-not-exist", 429: "global/too-many-requests"}
REFUSALS = {
    Refusal.STOCKOUT: (400, "instance-operations/launch/insufficient-capacity", "Not enough capacity to fulfill launch request."),
    Refusal.QUOTA: (400, "global/quota-exceeded", "Quota exceeded."),
}
ORDER = {"region_name", "instance_type_name", "ssh_key_names", "name", "user_data", "file_system_names", "hostname", "image", "tags"}


class Lambda(Fake):
    """``cloud.lambda.ai/api/v1``."""

    kind = "lambda"

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("gpu_8x_h100_sxm5", "H100 (80 GB SXM5)", 8, 80, 208, 1800, 23.92, {"us-south-1": 2, "us-west-3": 0}),
            Product("gpu_1x_a10", "A10 (24 GB PCIe)", 1, 24, 30, 200, 0.75, {"us-west-1": 5, "us-east-1": 1}),
            Product("gpu_1x_gh200", "GH200 (96 GB)", 1, 96, 64, 432, 1.49, {"us-east-3": 1}),
            Product("gpu_8x_a100_80gb_sxm4", "A100 (80 GB SXM4)", 8, 80, 240, 1800, 14.32, {"us-east-1": 0}),
        )

    def settings(self, url: str) -> ProviderSettings:
        return ProviderSettings("lambda", "lambda", account="main", endpoint=url, options={"ssh_keys": "ops"})

    def environ(self) -> Mapping[str, str]:
        return {"LAMBDA_API_KEY": KEY}

    def routes(self) -> list[Route]:
        return [
            ("GET", "/instance-types", self._types),
            ("GET", "/instances", self._instances),
            ("POST", "/instance-operations/launch", self._launch),
            ("POST", "/instance-operations/terminate", self._terminate),
        ]

    def spoilt(self, status: int) -> Answer:
        return _error(status, CODES.get(status, "global/internal-error"), "The server says no.")

    def is_launch(self, asked: Asked) -> bool:
        return asked.path.endswith("/launch")

    def is_release(self, asked: Asked) -> bool:
        return asked.path.endswith("/terminate")

    def _types(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        return Answer({"data": {product.name: _type(product) for product in self.estate.products}})

    def _instances(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        return Answer({"data": [_instance(machine, self.estate.product(machine.product)) for machine in self.estate.running]})

    def _launch(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        order = asked.body
        if set(order) - ORDER or len(order["ssh_key_names"]) != 1:
            return _error(400, "global/invalid-parameters", f"Unknown or missing parameters: {sorted(order)}")
        try:
            machine = self.estate.create(order["instance_type_name"], order["region_name"], words={"name": order.get("name", "")})
        except RefusedError as refused:
            return _error(*REFUSALS[refused.refusal])
        return Answer({"data": {"instance_ids": [machine.id]}})

    def _terminate(self, asked: Asked) -> Answer:
        ended = [machine for machine in asked.body["instance_ids"] if self.estate.delete(machine)]
        if not ended:
            return _error(404, CODES[404], "Specified instance does not exist.")
        return Answer({"data": {"terminated_instances": [{"id": machine, "status": "terminating"} for machine in ended]}})


def _error(status: int, code: str, message: str) -> Answer:
    return Answer({"error": {"code": code, "message": message, "suggestion": ""}}, status)


def _type(product: Product) -> dict[str, Any]:
    cents = product.usd_per_h * 100
    return {
        "instance_type": {
            "name": product.name,
            "description": f"{product.gpus}x {product.gpu}",
            "gpu_description": product.gpu,
            "price_cents_per_hour": cents if math.isnan(cents) else round(cents),
            "specs": {"vcpus": product.vcpus, "memory_gib": product.memory_gib, "storage_gib": 512, "gpus": product.gpus},
        },
        "regions_with_capacity_available": [
            {"name": region, "description": region.title()} for region, stock in sorted(product.stock.items()) if stock > 0
        ],
    }


def _instance(machine: Machine, product: Product) -> dict[str, Any]:
    return {
        "id": machine.id,
        "name": machine.words["name"],
        "ip": "198.51.100.7",
        "private_ip": "10.19.0.7",
        "status": "active",
        "ssh_key_names": ["ops"],
        "file_system_names": [],
        "region": {"name": machine.place, "description": machine.place.title()},
        "instance_type": _type(product)["instance_type"],
    }
