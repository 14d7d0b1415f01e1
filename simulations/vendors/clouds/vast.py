"""Vast.ai, played: a search over asks of single machines, contracts by ask id, and contracts that are made and refused at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, PageExpiredError, Product, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, RefusedError, bearer
from simulations.vendors.server import Route

KEY = "fake-vast-key"
MACHINES = {"21001": "Quebec, CA", "21002": "Sweden, SE", "21003": "Texas, US", "21004": "Czechia, CZ"}
QUERY = {
    "type", "limit", "order", "allocated_storage", "verified", "rentable", "rented", "reliability", "num_gpus", "gpu_ram", "gpu_name",
    "machine_id", "geolocation", "datacenter", "external", "dph_total",
}  # fmt: skip
ORDER = {
    "image", "template_hash_id", "label", "disk", "runtype", "target_state", "price", "env", "cancel_unavail", "vm", "onstart", "args",
    "args_str", "user", "image_login", "volume_info", "force",
}  # fmt: skip
INSTANCES_PER_PAGE_MAX = 25
DISK_GB_MIN = 8.0
FIRST_ASK, FIRST_CONTRACT = 12_345_000, 31_200_000


class Vast(Fake):
    """``console.vast.ai/api``. What is called a region here is the kind of a search: on demand, or by bid."""

    kind = "vast"
    regional = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("8x H100 SXM", "H100 SXM", 8, 80, 192, 1024, 17.28, {"21001": 1}, 8.6),
            Product("1x RTX 4090", "RTX 4090", 1, 24, 16, 64, 0.36, {"21002": 1, "21003": 1}, 0.2),
            Product("2x RTX 4090", "RTX 4090", 2, 24, 32, 128, 0.72, {"21002": 1}),
            Product("4x A100 SXM4", "A100 SXM4", 4, 40, 64, 512, 2.8, {"21004": 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"image": "example/headrace:1", "ports": "8000:8000", "disk_gb": "100"}
        return ProviderSettings("vast", "vast", account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"VAST_API_KEY": KEY}

    def routes(self) -> list[Route]:
        return [
            ("POST", "/api/v0/bundles/", self._search),
            ("PUT", r"/api/v0/asks/(?P<id>\d+)/", self._rent),
            ("GET", "/api/v1/instances/", self._instances),
            ("DELETE", r"/api/v0/instances/(?P<id>\d+)/", self._destroy),
        ]

    def spoilt(self, status: int) -> Answer:
        """A rate limit comes as plain text."""
        if status == 429:
            return Answer("API requests too frequent: endpoint threshold=4.5", 429, {"Content-Type": "text/plain"})
        return _error(status, {401: "auth_error"}.get(status, "server_error"), "the server says no")

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "PUT"

    def region_of(self, asked: Asked) -> str:
        kind = asked.body.get("type") if asked.body else None
        return {"ondemand": "on-demand", "bid": "spot"}.get(str(kind), "")

    def _asks(self) -> Iterator[tuple[int, Product, str]]:
        """Every ask there is: its id, what it sells, and the machine."""
        numbers = count(FIRST_ASK)
        for product in self.estate.products:
            for machine in product.stock:
                yield next(numbers), product, machine

    def _search(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        query = asked.body
        if set(query) - QUERY or query.get("type") not in ("ondemand", "bid") or query["allocated_storage"] < DISK_GB_MIN:
            return _error(400, "invalid_request", "Invalid json body")
        by_bid = query["type"] == "bid"
        taken = {(machine.product, machine.place) for machine in self.estate.running}
        found = []
        for ask, product, machine in self._asks():
            row = _ask(ask, product, machine, by_bid=by_bid)
            rentable = product.stock[machine] > 0 and (product.name, machine) not in taken
            if rentable and (product.spot_usd_per_h is not None or not by_bid) and all(_fits(row, query, name) for name in query):
                found.append(row)
        return Answer({"offers": found[: query["limit"]]})

    def _rent(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        order, found = asked.body, {ask: (product, machine) for ask, product, machine in self._asks()}
        if set(order) - ORDER or not order.get("image") or order["disk"] < DISK_GB_MIN or len(order.get("label", "")) > 256:
            return _error(400, "invalid_args", f"error 400/3467: Invalid args: {sorted(order)}")
        ask = int(asked.parts["id"])
        if ask not in found:
            return _error(404, "invalid_args", f"error 404/3603: no_such_ask Instance type by id {ask} is not available.")
        product, place = found[ask]
        if "price" in order and order["price"] < (product.spot_usd_per_h or 0):
            return _error(400, "invalid_price", "error 400/3480: the bid is below the minimum")
        words = {"label": order["label"]}
        try:
            machine = self.estate.create(product.name, place, spot="price" in order, words=words)
        except RefusedError as refused:
            if refused.refusal is Refusal.QUOTA:
                return Answer({"success": False, "msg": "Insufficient credit"}, 411)
            return self._refused_with_a_contract(ask, Machine(f"{9_000:08d}-0000", product.name, place, False, words))
        return Answer({"success": True, "new_contract": _contract(machine)})

    def _refused_with_a_contract(self, ask: int, machine: Machine) -> Answer:
        self.estate.machines[machine.id] = machine
        message = f"error 410/3907: no_such_ask Instance type {ask} is no longer available."
        refusal = _error(410, "no_such_ask", message)
        return Answer({**refusal.body, "ask_id": ask, "new_contract": _contract(machine)}, 410)

    def _instances(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        size = min(int(asked.query.get("limit", INSTANCES_PER_PAGE_MAX)), INSTANCES_PER_PAGE_MAX)
        try:
            page, token = self.estate.page(self.estate.running, asked.query.get("after_token", ""), size)
        except PageExpiredError:
            return _error(400, "invalid_args", "invalid after_token")
        found = [_instance(machine, self.estate.product(machine.product)) for machine in page]
        told = {"success": True, "instances_found": len(found), "total_instances": len(self.estate.running), "label_counts": {}}
        return Answer(told | {"next_token": token or None, "instances": found})

    def _destroy(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        known = {str(_contract(machine)): machine.id for machine in self.estate.running}
        if not self.estate.delete(known.get(asked.parts["id"], "")):
            return _error(404, "not_found", "Instance not found")
        return Answer({"success": True, "msg": "Instance destroyed successfully"})


def _error(status: int, code: str, message: str) -> Answer:
    return Answer({"success": False, "error": code, "msg": message}, status)


def _contract(machine: Machine) -> int:
    return FIRST_CONTRACT + int(machine.id.partition("-")[0])


def _fits(row: Mapping[str, Any], query: Mapping[str, Any], name: str) -> bool:
    """Whether a row passes one filter of a search. Machines are found by country code."""
    asked = query[name]
    if not isinstance(asked, dict) or name in ("rented", "verified", "datacenter", "external"):
        return True
    value = row["geolocation"].rpartition(", ")[2] if name == "geolocation" else row[name]
    for operator, want in asked.items():
        held = {"eq": value == want, "in": operator == "in" and value in want, "gte": operator == "gte" and value >= want}
        if not held[operator]:
            return False
    return True


def _ask(ask: int, product: Product, machine: str, *, by_bid: bool) -> dict[str, Any]:
    """One row of a search; memory is in MiB, of one GPU and of the whole machine."""
    price = product.spot_usd_per_h if by_bid and product.spot_usd_per_h is not None else product.usd_per_h
    return {
        "id": ask,
        "ask_contract_id": ask,
        "machine_id": int(machine),
        "host_id": 55555,
        "num_gpus": product.gpus,
        "gpu_name": product.gpu,
        "gpu_ram": product.gpu_memory_gib * 1024 - 11,
        "gpu_frac": 0.5,
        "cpu_cores": product.vcpus * 2,
        "cpu_cores_effective": float(product.vcpus),
        "cpu_ram": product.memory_gib * 2 * 1024,
        "disk_space": 2048.5,
        "dph_base": price,
        "dph_total": price,
        "min_bid": product.spot_usd_per_h,
        "is_bid": by_bid,
        "storage_cost": 0.15,
        "geolocation": MACHINES[machine],
        "reliability": 0.9987,
        "rentable": True,
        "rented": False,
        "verification": "verified",
        "public_ipaddr": "203.0.113.42",
    }


def _instance(machine: Machine, product: Product) -> dict[str, Any]:
    return {
        "id": _contract(machine),
        "label": machine.words["label"],
        "actual_status": "running",
        "cur_state": "running",
        "next_state": "running",
        "intended_status": "running",
        "machine_id": int(machine.place),
        "geolocation": MACHINES[machine.place],
        "public_ipaddr": "203.0.113.42",
        "gpu_name": product.gpu,
        "num_gpus": product.gpus,
        "gpu_ram": product.gpu_memory_gib * 1024,
        "dph_total": product.usd_per_h,
        "is_bid": machine.spot,
        "start_date": 1668804745.12,
        "extra_env": [],
    }
