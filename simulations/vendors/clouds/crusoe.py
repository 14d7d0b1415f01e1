"""Crusoe Cloud, played: HMAC-signed requests, capacities beside machine types, launches as operations that may fail late."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, timely
from simulations.vendors.server import Route

PROJECT = "7f3d3b1e-0000-4000-8000-000000000001"
KEY_ID = "fake-key-id"
SECRET = base64.urlsafe_b64encode(b"a fake secret of thirty-two bytes").decode().rstrip("=")
CODES = {401: "unauthorized", 404: "not_found", 429: "rate_limited", 500: "internal_error", 503: "unavailable"}
WANTED = {"name", "type", "location", "ssh_public_key"}
ALLOWED = WANTED | {
    "image",
    "custom_image",
    "startup_script",
    "shutdown_script",
    "network_interfaces",
    "disks",
    "reservation_specification",
}
PROJECT_PATH = rf"/v1/projects/{PROJECT}"
MACHINES = f"{PROJECT_PATH}/compute/vms/instances"
PAGE_SIZE_MAX = 100


class Crusoe(Fake):
    """``api.cloud.crusoe.ai/v1``."""

    kind = "crusoe"
    signed = True
    late_stockouts = True
    machines_paged = True
    assumed = {
        "quota": 'a 400 with the code quota_exceeded, worded "Quota exceeded"',
        "clock 15 minutes ahead": "a 401; the vendor's allowance is not told, five minutes here",
        "clock 15 minutes behind": "a 401; the vendor's allowance is not told, five minutes here",
    }
    priced = False

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("h100-80gb-sxm-ib.8x", "H100-SXM-80GB", 8, 80, 176, 960, 31.2, {"us-east1-a": 1, "us-northcentral1-a": 0}),
            Product("l40s-48gb.1x", "L40S-48GB", 1, 48, 8, 147, 1.5, {"us-east1-a": 5}),
            Product("a100-80gb.4x", "A100-PCIe-80GB", 4, 80, 48, 480, 8.0, {"us-northcentral1-a": 2, "us-east1-a": 3}),
            Product("a100-80gb-sxm-ib.8x", "A100-SXM-80GB", 8, 80, 96, 960, 18.4, {"us-east1-a": 0}),
            Product("mi300x-192gb-ib.8x", "MI300X-192GB", 8, 192, 256, 2304, 27.6, {"us-east1-a": 4}),
        )

    def __init__(self) -> None:
        super().__init__()
        self._operations: dict[str, dict[str, Any]] = {}

    def settings(self, url: str) -> ProviderSettings:
        options = {"project": PROJECT, "ssh_public_key": "ssh-ed25519 AAAA ops"}
        return ProviderSettings("crusoe", "crusoe", account="main", endpoint=f"{url}/v1", options=options)

    def environ(self) -> Mapping[str, str]:
        return {"CRUSOE_ACCESS_KEY_ID": KEY_ID, "CRUSOE_SECRET_KEY": SECRET}

    def routes(self) -> list[Route]:
        return [
            ("GET", f"{PROJECT_PATH}/compute/vms/types", self._types),
            ("GET", "/v1/capacities", self._capacities),
            ("GET", MACHINES, self._machines),
            ("POST", MACHINES, self._launch),
            ("GET", f"{MACHINES}/operations/(?P<id>[^/]+)", self._operation),
            ("DELETE", f"{MACHINES}/(?P<id>[^/]+)", self._delete),
        ]

    def spoilt(self, status: int) -> Answer:
        return _error(status, CODES.get(status, "internal_error"), "The request could not be served.")

    def _types(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        cpu = Product("c1a.4x", "", 0, 0, 4, 16, 0.16, {})
        return Answer({"items": [_type(product) for product in (*self.estate.products, cpu)]})

    def _capacities(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        told = [(product.name, place, left) for product in self.estate.products for place, left in product.stock.items()]
        # A type may be told several times for one location, as pools of different shapes.
        told += [(product.name, place, 0) for product in self.estate.products[:1] for place in product.stock]
        told.append(("c1a.4x", "us-east1-a", 900))
        return Answer({"items": [{"type": name, "location": place, "quantity": left, "num_slices": 1} for name, place, left in told]})

    def _machines(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        size = min(int(asked.query.get("limit", "20")), PAGE_SIZE_MAX)
        shown, following = self.estate.page(self.estate.running, asked.query.get("next_token", ""), size)
        return Answer({"items": [_machine(machine) for machine in shown], "next_page_token": following, "prev_page_token": ""})

    def _launch(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        order = asked.body
        if set(order) - ALLOWED or WANTED - set(order):
            return _error(400, "bad_request", f"Unknown or missing fields: {sorted(order)}")
        if order["location"] not in self.estate.product(order["type"]).stock:
            return _error(400, "bad_request", f"{order['type']} is not available in {order['location']}")
        try:
            machine = self.estate.create(order["type"], order["location"], words={"name": order["name"]})
        except RefusedError as refused:
            if refused.refusal is Refusal.QUOTA:
                return _error(400, "quota_exceeded", "Quota exceeded for this project.")
            return self._started("ffffffff-0000-4000-8000-000000000000", failed=True)
        return self._started(machine.id, failed=machine.failed)

    def _started(self, machine: str, *, failed: bool) -> Answer:
        number = f"op-{len(self._operations) + 1}"
        begun = {"operation_id": number, "metadata": {"id": machine, "type": "VM"}, "started_at": "", "completed_at": ""}
        out = {"code": "out_of_stock", "message": "The requested type is out of stock."}
        self._operations[number] = {**begun, "state": "FAILED" if failed else "SUCCEEDED", "result": out if failed else {}}
        return Answer({"operation": {**begun, "state": "IN_PROGRESS"}})

    def _operation(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        known = self._operations.get(asked.parts["id"])
        return Answer(known) if known else _error(404, "not_found", "No such operation.")

    def _delete(self, asked: Asked) -> Answer:
        if not _signed(asked):
            return self.spoilt(401)
        if not self.estate.delete(asked.parts["id"]):
            return _error(404, "not_found", "VM not found.")
        return self._started(asked.parts["id"], failed=False)


def _signed(asked: Asked) -> bool:
    """Checks the signature from its definition, apart from the adapter's code."""
    stamp = asked.headers.get("x-crusoe-timestamp", "")
    query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in sorted(asked.query.items()))
    lines = (asked.path, query, asked.method, stamp, "")
    key = base64.urlsafe_b64decode(SECRET + "=" * (-len(SECRET) % 4))
    expected = base64.urlsafe_b64encode(hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()).decode().rstrip("=")
    if asked.headers.get("authorization") != f"Bearer 1.0:{KEY_ID}:{expected}":
        return False
    return timely(datetime.fromisoformat(stamp))


def _error(status: int, code: str, message: str) -> Answer:
    return Answer({"code": code, "message": message, "error_id": "fake"}, status)


def _type(product: Product) -> dict[str, Any]:
    return {
        "product_name": product.name,
        "description": f"{product.gpus}x {product.gpu}",
        "gpu_type": product.gpu,
        "num_gpu": product.gpus,
        "cpu_cores": product.vcpus,
        "cpu_type": "x86_64",
        "memory_gb": product.memory_gib,
        "memory_type": "ddr5",
        "disk_gb": 0,
        "disk_type": "",
    }


def _machine(machine: Machine) -> dict[str, Any]:
    ips = [{"private_ipv4": {"address": "172.27.0.9"}, "public_ipv4": {"address": "198.51.100.9", "type": "dynamic"}}]
    return {
        "id": machine.id,
        "name": machine.words["name"],
        "type": machine.product,
        "location": machine.place,
        "state": "STATE_RUNNING",
        "billing_type": "On-demand",
        "project_id": PROJECT,
        "disks": [],
        "host_channel_adapters": [],
        "network_interfaces": [{"id": "nic-1", "interface_type": "public", "network": "net-1", "subnet": "sub-1", "ips": ips}],
        "maintenance_policy": "unspecified",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }
