"""Voltage Park, played: presets by location with counts, prices in two parts as strings, machines that know no location of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, PageExpiredError, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, bearer
from simulations.vendors.server import Route

TOKEN = "vp_fake_token"  # noqa: S105 - the fake's own
DALLAS, SEATTLE, ASHBURN = (f"a3111bd4-550a-47d0-838a-{number:012d}" for number in (1, 2, 3))
STORAGE_USD_PER_H = 0.05
PAGE_SIZE_MAX = 15
ORDER = {"config_id", "name", "password", "organization_ssh_keys", "ssh_keys", "cloud_init", "tags"}
CLOUD_INIT = {"packages", "write_files", "runcmd"}
REFUSALS = {
    # The vendor's own words are not documented.
    Refusal.STOCKOUT: (409, "The selected preset is out of stock."),
    Refusal.QUOTA: (402, "Insufficient balance to deploy this virtual machine."),
}


class VoltagePark(Fake):
    """``cloud-api.voltagepark.com/api/v1``, virtual machines."""

    kind = "voltagepark"
    paged = True

    def __init__(self) -> None:
        super().__init__()
        self._tokens: dict[tuple[str, str], str] = {}

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("8x-h100-sxm5-80gb-208vcpu-1440gb", "h100-sxm5-80gb", 8, 80, 208, 1440, 19.92, {DALLAS: 2, SEATTLE: 0}),
            Product("1x-h100-sxm5-80gb-26vcpu-180gb", "h100-sxm5-80gb", 1, 80, 26, 180, 2.49, {DALLAS: 7, ASHBURN: 1}),
            Product("8x-h200-sxm5-141gb-208vcpu-1800gb", "h200-sxm5-141gb", 8, 141, 208, 1800, 27.92, {SEATTLE: 1}),
            Product("1x-geforcertx4090-pcie-24gb-12vcpu-64gb", "geforcertx4090-pcie-24gb", 1, 24, 12, 64, 0.55, {ASHBURN: 0}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"ssh_keys": "4419ce92-a31a-40a2-b1da-000000000000"}
        return ProviderSettings("voltagepark", "voltagepark", account="main", endpoint=f"{url}/api/v1", options=options)

    def environ(self) -> Mapping[str, str]:
        return {"VOLTAGE_PARK_API_TOKEN": TOKEN}

    def routes(self) -> list[Route]:
        base = "/api/v1/virtual-machines"
        calls: list[Route] = [
            ("GET", f"{base}/instant/locations", self._locations),
            ("POST", f"{base}/instant", self._deploy),
            ("GET", f"{base}/", self._machines),
            ("DELETE", f"{base}/(?P<id>[^/]+)", self._delete),
        ]
        return [(method, path, self._for_the_signed_in(call)) for method, path, call in calls]

    def _for_the_signed_in(self, call: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
        return lambda asked: call(asked) if bearer(asked, TOKEN) else self.spoilt(401)

    def spoilt(self, status: int) -> Answer:
        return Answer({"detail": "The server says no."}, status)

    # what is sold ---------------------------------------------------------------------------------------------------------------

    def _locations(self, asked: Asked) -> Answer:
        places = sorted({place for product in self.estate.products for place in product.stock})
        return self._page([{"id": place, "available_presets": self._presets(place)} for place in places], asked)

    def _presets(self, place: str) -> list[dict[str, Any]]:
        sold = [(number, each) for number, each in enumerate(self.estate.products) if place in each.stock]
        cpu = Product("cpu", "", 0, 0, 4, 16, 0.1, {place: 9})
        return [self._preset(number, each, place) for number, each in [*sold, (99, cpu)]]

    def _preset(self, number: int, product: Product, place: str) -> dict[str, Any]:
        busy = sum((each.product, each.place) == (product.name, place) for each in self.estate.running)
        return {
            "id": f"c6fd6253-cbb6-4ea8-{number:04d}-{place[-12:]}",
            "resources": _resources(product),
            "operating_system": "Ubuntu 22.04 LTS",
            "compute_rate_hourly": f"{product.usd_per_h - STORAGE_USD_PER_H:.6f}",
            "storage_rate_hourly": f"{STORAGE_USD_PER_H:.6f}",
            "available_vms": max(0, product.stock[place] - busy),
        }

    def _page(self, rows: list[Any], asked: Asked) -> Answer:
        """A page by offset; the estate's tokens, under which pages misbehave, are kept by offset."""
        limit, offset = int(asked.query["limit"]), int(asked.query["offset"])
        if not 0 < limit <= PAGE_SIZE_MAX:
            return Answer({"detail": "limit is out of range"}, 422)
        token = self._tokens.get((asked.path, str(offset)), "") if offset else ""
        try:
            shown, following = self.estate.page(rows, token, limit)
        except PageExpiredError:
            return Answer({"detail": "offset is out of range"}, 422)
        self._tokens[asked.path, str(offset + limit)] = following
        told = {"total_result_count": len(rows), "has_previous": offset > 0, "has_next": bool(following)}
        return Answer({"results": shown, **told})

    # machines -------------------------------------------------------------------------------------------------------------------

    def _machines(self, asked: Asked) -> Answer:
        return self._page([self._machine(machine) for machine in self.estate.running], asked)

    def _machine(self, machine: Machine) -> dict[str, Any]:
        product = self.estate.product(machine.product)
        return {
            "id": machine.id,
            "hostnode_id": "77777777-0000-4000-8000-000000000000",
            "type": "ondem",
            "status": "Running",
            "name": machine.words["name"],
            "resources": _resources(product),
            "operating_system": "Ubuntu 22.04 LTS",
            "pricing": {"total_associated_per_hr": f"{product.usd_per_h:.6f}", "total_disassociated_per_hr": f"{STORAGE_USD_PER_H:.6f}"},
            "public_ip": "198.51.100.7",
            "internal_ip": "10.0.0.7",
            "port_forwards": [],
            "timestamp_creation": "2026-01-01T00:00:00Z",
            "tags": machine.words["tags"].split(","),
        }

    def _deploy(self, asked: Asked) -> Answer:
        order = asked.body
        if set(order) - ORDER or set(order["cloud_init"]) - CLOUD_INIT or order["organization_ssh_keys"]["mode"] != "selective":
            return Answer({"detail": [{"loc": ["body"], "msg": "extra fields not permitted", "type": "value_error.extra"}]}, 422)
        places = {place for product in self.estate.products for place in product.stock}
        named = {preset["id"]: (preset, place) for place in places for preset in self._presets(place)}
        if order["config_id"] not in named:
            return Answer({"detail": "Preset not found"}, 404)
        preset, place = named[order["config_id"]]
        product = next(each for each in self.estate.products if place in each.stock and _resources(each) == preset["resources"])
        try:
            machine = self.estate.create(product.name, place, words={"name": order["name"], "tags": ",".join(order["tags"])})
        except RefusedError as refused:
            status, detail = REFUSALS[refused.refusal]
            return Answer({"detail": detail}, status)
        return Answer({"vm_id": machine.id}, 201)

    def _delete(self, asked: Asked) -> Answer:
        if not self.estate.delete(asked.parts["id"]):
            return Answer({"detail": "Virtual machine not found"}, 404)
        return Answer("", 204)


def _resources(product: Product) -> dict[str, Any]:
    gpus = {product.gpu: {"count": product.gpus}} if product.gpus else {}
    return {"gpus": gpus, "ram_gb": product.memory_gib, "storage_gb": 1000, "vcpu_count": product.vcpus}
