"""Vultr, played: public plans with GPUs told in three ways, stock for those who sign in, cursors, instances and bare metal."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, PageExpiredError, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, bearer
from simulations.vendors.server import Route

KEY = "FAKEVULTRKEY"
REFUSALS = {
    Refusal.STOCKOUT: "Server add failed: Plan is not available in this location",
    Refusal.QUOTA: (
        "Server add failed: You have reached the maximum number of active virtual machines for this account. "
        "For security reasons, please contact our support team to have the limit raised"
    ),
}
MESSAGES = {401: "Invalid API token.", 404: "Invalid instance.", 429: "Rate limit reached.", 500: "Internal error.", 503: "Try again."}
REGIONS = {"ewr": "US", "ord": "US", "fra": "DE", "lhr": "GB"}
ORDER = {
    "region", "plan", "label", "tags", "os_id", "app_id", "image_id", "snapshot_id", "script_id", "hostname", "ipxe_chain_url",
    "enable_ipv6", "sshkey_id", "user_data", "reserved_ipv4", "activation_email", "user_scheme", "app_variables",
}  # fmt: skip
INSTANCE_ORDER = ORDER | {
    "iso_id", "firewall_group_id", "disable_public_ipv4", "enable_vpc", "attach_vpc", "vpc_only", "backups", "ddos_protection",
    "block_devices",
}  # fmt: skip
METAL_ORDER = ORDER | {"persistent_pxe", "mdisk_mode"}
SIZE_MAX = 500


class Vultr(Fake):
    """``api.vultr.com/v2``."""

    kind = "vultr"
    assumed = {"quota": "the message, told by third parties", "stockout": "the message, told by third parties"}
    paged = True
    regional = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("vbm-256c-2048gb-8-mi300x-gpu", "AMD_MI300X", 8, 192, 256, 2267, 17.52, {"ord": 1, "fra": 0}),
            Product("vcg-l40s-16c-180g-48vram", "NVIDIA_L40S", 1, 48, 16, 180, 1.671, {"ewr": 3, "fra": 1}),
            Product("vcg-a40-24c-120g-48vram", "", 1, 48, 24, 120, 1.712, {"lhr": 2}),
            Product("vcg-l40s-32c-375g-96vram", "NVIDIA_L40S", 2, 48, 32, 375, 3.342, {"ewr": 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"os": "2284"}
        return ProviderSettings("vultr", "vultr", account="main", endpoint=f"{url}/v2", options=options)

    def environ(self) -> Mapping[str, str]:
        return {"VULTR_API_KEY": KEY}

    def routes(self) -> list[Route]:
        return [
            ("GET", "/v2/plans", self._plans),
            ("GET", "/v2/plans-metal", self._metal_plans),
            ("GET", "/v2/regions", self._regions),
            ("GET", "/v2/regions/(?P<region>[^/]+)/availability", self._availability),
            ("GET", "/v2/(?P<kind>instances|bare-metals)", self._list),
            ("POST", "/v2/(?P<kind>instances|bare-metals)", self._create),
            ("DELETE", "/v2/(?P<kind>instances|bare-metals)/(?P<id>[^/]+)", self._delete),
        ]

    def spoilt(self, status: int) -> Answer:
        return _error(status, MESSAGES[status])

    def region_of(self, asked: Asked) -> str:
        parts = asked.path.split("/")
        return parts[-2] if parts[-1] == "availability" else ""

    def _plans(self, asked: Asked) -> Answer:
        quarter = _plan(Product("vcg-a40-6c-30g-12vram", "NVIDIA_A40", 1, 12, 6, 30, 0.428, {"ewr": 1})) | {"gpu_count": "1/4"}
        without = _plan(Product("vc2-2c-4gb", "", 0, 0, 2, 4, 0.027, dict.fromkeys(REGIONS, 9)))
        sold = [_plan(product) for product in self.estate.products if not _is_metal(product.name)]
        return self._paged(asked, "plans", [*sold, quarter, without])

    def _metal_plans(self, asked: Asked) -> Answer:
        """One of them is only sold preemptible, which is not bought here."""
        preemptible = _metal_plan(Product("vbm-256c-3072gb-8-b200-gpu", "NVIDIA_B200", 8, 192, 256, 3072, 68.0, {}))
        without = _metal_plan(Product("vbm-4c-32gb", "", 0, 0, 8, 32, 0.275, {"ewr": 1}))
        sold = [_metal_plan(product) for product in self.estate.products if _is_metal(product.name)]
        return self._paged(asked, "plans_metal", [*sold, preemptible | {"deploy_ondemand": False, "deploy_preemptible": True}, without])

    def _regions(self, asked: Asked) -> Answer:
        found = [{"id": region, "city": region, "country": country, "options": []} for region, country in REGIONS.items()]
        return self._paged(asked, "regions", found)

    def _availability(self, asked: Asked) -> Answer:
        """Strangers are told nothing, which looks like an empty shelf."""
        if not bearer(asked, KEY):
            return Answer({"available_plans": []})
        stocked = [each.name for each in self.estate.products if each.stock.get(asked.parts["region"], 0) > 0]
        return Answer({"available_plans": ["vc2-2c-4gb", *stocked]})

    def _list(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        metal = asked.parts["kind"] == "bare-metals"
        found = [self._machine(machine) for machine in self.estate.running if _is_metal(machine.product) == metal]
        return self._paged(asked, asked.parts["kind"].replace("-", "_"), found)

    def _create(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        order, metal = asked.body, asked.parts["kind"] == "bare-metals"
        if set(order) - (METAL_ORDER if metal else INSTANCE_ORDER) or _is_metal(order["plan"]) != metal:
            return _error(400, "Server add failed: Invalid plan chosen.")
        if order["region"] not in REGIONS or not {"os_id", "snapshot_id"} & order.keys():
            return _error(400, "Server add failed: Invalid location or os_id.")
        try:
            base64.b64decode(order["user_data"], validate=True)
            machine = self.estate.create(order["plan"], order["region"], words={"label": order["label"], "hostname": order["hostname"]})
        except binascii.Error:
            return _error(400, "Server add failed: Userdata must be base64 encoded")
        except RefusedError as refused:
            return _error(400, REFUSALS[refused.refusal])
        return Answer({"bare_metal" if metal else "instance": self._machine(machine, "pending")}, 202)

    def _delete(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        machine = self.estate.machines.get(asked.parts["id"])
        known = machine is not None and _is_metal(machine.product) == (asked.parts["kind"] == "bare-metals")
        if not known or not self.estate.delete(asked.parts["id"]):
            return self.spoilt(404)
        return Answer("", 204)

    def _paged(self, asked: Asked, name: str, rows: list[dict[str, Any]]) -> Answer:
        size = int(asked.query.get("per_page", 100))
        if not 1 <= size <= SIZE_MAX:
            return _error(400, "Invalid per_page.")
        try:
            page, cursor = self.estate.page(rows, asked.query.get("cursor", ""), size)
        except PageExpiredError:
            return _error(400, "Invalid cursor.")
        return Answer({name: page, "meta": {"total": len(rows), "links": {"next": cursor, "prev": ""}}})

    def _machine(self, machine: Machine, status: str = "active") -> dict[str, Any]:
        product, pending = self.estate.product(machine.product), status == "pending"
        return {
            "id": machine.id,
            "os": "Ubuntu 24.04 LTS x64",
            "ram": product.memory_gib * 1024,
            "disk": 1200,
            "plan": product.name,
            "main_ip": "0.0.0.0" if pending else "192.0.2.123",  # noqa: S104 - as Vultr says it
            "internal_ip": "" if pending else "10.7.96.85",
            "region": machine.place,
            "date_created": "2026-08-22T10:00:00+00:00",
            "status": status,
            "label": machine.words["label"],
            "hostname": machine.words["hostname"],
            "os_id": 2284,
            "features": [],
            "tags": ["headrace"],
        }


def _error(status: int, message: str) -> Answer:
    return Answer({"error": message, "status": status}, status)


def _is_metal(plan: str) -> bool:
    return plan.startswith("vbm-")


def _prices(product: Product) -> dict[str, Any]:
    """Regions may have prices of their own."""
    prices = {"monthly_cost": product.usd_per_h * 672, "hourly_cost": product.usd_per_h}
    return {
        **prices,
        "monthly_cost_preemptible": product.usd_per_h * 400,
        "hourly_cost_preemptible": product.usd_per_h * 0.6,
        "location_cost": {"fra": prices} if "fra" in product.stock else {},
        "invoice_type": "hourly",
        "deploy_ondemand": True,
        "deploy_preemptible": False,
    }


def _plan(product: Product) -> dict[str, Any]:
    """Shared Cloud GPU tells its GPU, dedicated Cloud GPU only the brand, other plans the brand "none"."""
    brand, _, _ = product.gpu.partition("_")
    gpu = {
        "gpu_brand": brand,
        "gpu_type": product.gpu,
        "gpu_count": str(product.gpus),
        "gpu_vram_gb": product.gpus * product.gpu_memory_gib,
    }
    dedicated = {"gpu_brand": "NVIDIA"} if product.gpus else {"gpu_brand": "none"}
    return {
        "id": product.name,
        "vcpu_count": product.vcpus,
        "ram": product.memory_gib * 1024,
        "disk": 1200,
        "disk_count": 1,
        "bandwidth": 10240,
        **_prices(product),
        "type": "vcg" if product.gpu else "vdm" if product.gpus else "vc2",
        "locations": sorted(product.stock),
        **(gpu if product.gpu else dedicated),
    }


def _metal_plan(product: Product) -> dict[str, Any]:
    return {
        "id": product.name,
        "physical_cpus": 2,
        "cpu_count": product.vcpus // 2,
        "cpu_cores": product.vcpus // 2,
        "cpu_threads": product.vcpus,
        "cpu_model": "EPYC 9534",
        "cpu_mhz": 2450,
        "ram": product.memory_gib * 1024,
        "disk": 3576,
        "disk_count": 8,
        "bandwidth": 10240,
        **_prices(product),
        "type": "NVMe",
        "locations": sorted(product.stock),
        **({"gpu_type": product.gpu, "gpu_count": product.gpus} if product.gpu else {}),
    }
