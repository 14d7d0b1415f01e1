"""Shadeform, played: types of many clouds in one list, cents, availability by region, launches of containers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError
from simulations.vendors.server import Route

KEY = "fake-shadeform-key"
# Assumed: the vendor documents no wording.
REFUSALS = {Refusal.STOCKOUT: (409, "Instance type is out of stock."), Refusal.QUOTA: (402, "Insufficient funds in wallet.")}
CLOUDS = {"B200": "lambdalabs", "A6000": "hyperstack", "L40S": "massedcompute", "H100": "datacrunch"}
FORMS = {"B200": "sxm6", "H100": "sxm5"}
ORDER = {"cloud", "region", "shade_instance_type", "shade_cloud", "name", "os", "launch_configuration", "volume_ids", "ssh_key_id"}
DOCKER = {"image", "args", "envs", "shared_memory_in_gb", "port_mappings", "volume_mounts"}


class Shadeform(Fake):
    """``api.shadeform.ai/v1``."""

    kind = "shadeform"
    scalable = True
    assumed = {"quota": "status and wording", "stockout": "status and wording"}

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("B200x8", "B200", 8, 180, 208, 2900, 47.92, {"us-south-3": 1, "us-east-1": 0}),
            Product("A6000", "A6000", 1, 48, 28, 58, 0.5, {"canada-1": 4, "norway-1": 0}),
            Product("L40Sx2", "L40S", 2, 48, 52, 144, 1.72, {"desmoines-usa-1": 2}),
            Product("H100_sxm5x8", "H100", 8, 80, 176, 1480, 18.4, {"helsinki-finland-2": 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"image": "registry.example/headrace:1"}
        return ProviderSettings("shadeform", "shadeform", account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"SHADEFORM_API_KEY": KEY}

    def routes(self) -> list[Route]:
        calls: list[Route] = [
            ("GET", "/instances/types", self._types),
            ("GET", "/instances", lambda asked: Answer({"instances": [_instance(each) for each in self.estate.running]})),
            ("POST", "/instances/create", self._create),
            ("POST", "/instances/(?P<id>[^/]+)/delete", self._delete),
        ]
        return [(method, path, self._guarded(action)) for method, path, action in calls]

    def is_launch(self, asked: Asked) -> bool:
        return asked.path == "/instances/create"

    def is_release(self, asked: Asked) -> bool:
        return asked.path.endswith("/delete")

    def _guarded(self, action: Any) -> Any:
        return lambda asked: action(asked) if asked.headers.get("x-api-key") == KEY else self.spoilt(401)

    def _types(self, asked: Asked) -> Answer:
        wanted = asked.query.get("shade_instance_type", "")
        return Answer({"instance_types": [_type(each) for each in self.estate.products if wanted in ("", each.name)]})

    def _create(self, asked: Asked) -> Answer:
        order = asked.body
        docker = order["launch_configuration"]["docker_configuration"]
        if set(order) - ORDER or set(docker) - DOCKER or order["shade_cloud"] is not True:
            return Answer({"error": f"unknown fields in {sorted(order)} or {sorted(docker)}"}, 400)
        product = self.estate.product(order["shade_instance_type"])
        if CLOUDS[product.gpu] != order["cloud"] or order["launch_configuration"]["type"] != "docker":
            return Answer({"error": f"{order['cloud']} sells no {product.name}"}, 400)
        try:
            machine = self.estate.create(product.name, order["region"], words={"name": order["name"], "cloud": order["cloud"]})
        except RefusedError as refused:
            status, error = REFUSALS[refused.refusal]
            return Answer({"error": error}, status)
        return Answer({"id": machine.id, "cloud_assigned_id": f"cloud-{machine.id}"})

    def _delete(self, asked: Asked) -> Answer:
        return Answer("") if self.estate.delete(asked.parts["id"]) else Answer({"error": "Instance not found."}, 404)


def _type(product: Product) -> dict[str, Any]:
    cents = product.usd_per_h * 100
    return {
        "cloud": CLOUDS.get(product.gpu, "lambdalabs"),
        "shade_instance_type": product.name,
        "cloud_instance_type": f"native-{product.name.lower()}",
        "configuration": {
            "gpu_type": product.gpu,
            "num_gpus": product.gpus,
            "vram_per_gpu_in_gb": product.gpu_memory_gib,
            "interconnect": FORMS.get(product.gpu, "pcie"),
            "vcpus": product.vcpus,
            "memory_in_gb": product.memory_gib,
            "storage_in_gb": 512,
            "os_options": ["ubuntu22.04_cuda12.2_shade_os"],
        },
        "hourly_price": cents if math.isnan(cents) else round(cents),
        "availability": [{"region": region, "available": stock > 0} for region, stock in product.stock.items()],
        "boot_time": {"min_boot_in_sec": 120, "max_boot_in_sec": 300},
        "deployment_type": "vm",
    }


def _instance(machine: Machine) -> dict[str, Any]:
    return {
        "id": machine.id,
        "name": machine.words["name"],
        "cloud": machine.words["cloud"],
        "region": machine.place,
        "shade_instance_type": machine.product,
        "shade_cloud": True,
        "ip": "198.51.100.3",
        "ssh_user": "shadeform",
        "ssh_port": 22,
        "status": "pending",
        "cost_estimate": "0",
    }
