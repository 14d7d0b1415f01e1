"""RunPod, played: a catalogue of GPUs priced one by one, stock by data center and count, pods as containers, problem documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, bearer
from simulations.vendors.server import Route

KEY = "rpa_fake_runpod"
TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
SOLD_OUT = "There are no longer any instances available with the requested specifications. Please refresh and try again."
REFUSALS = {Refusal.STOCKOUT: (400, SOLD_OUT), Refusal.QUOTA: (402, "Insufficient balance.")}
ORDER = {
    "name", "image", "args", "disk", "env", "ports", "registry", "cloud", "cpu", "dataCenterIds", "globalNetworking", "gpu", "mounts",
    "startJupyter", "startSsh", "templateId",
}  # fmt: skip
STOCK_ASKED = {"count", "cloud", "product", "countryCodes"}


class RunPod(Fake):
    """``api.runpod.io/v2``. What is called a region here is a number of GPUs to a pod: stock is asked for by it."""

    kind = "runpod"
    scalable = True
    regional = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("8x NVIDIA H100 80GB HBM3", "H100 SXM", 8, 80, 0, 0, 21.52, {"US-KS-2": 2, "EUR-IS-1": 0}),
            Product("1x NVIDIA A40", "A40", 1, 48, 0, 0, 0.40, {"CA-MTL-3": 6, "EU-SE-1": 1}),
            Product("2x NVIDIA A40", "A40", 2, 48, 0, 0, 0.80, {"CA-MTL-3": 3}),
            Product("1x NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", 1, 48, 0, 0, 0.77, {"EU-RO-1": 4}),
            Product("4x AMD Instinct MI300X OAM", "MI300X", 4, 192, 0, 0, 9.96, {"EU-RO-1": 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"image": "example/headrace:1", "ports": "8000/tcp"}
        return ProviderSettings("runpod", "runpod", account="main", endpoint=f"{url}/v2", options=options)

    def environ(self) -> Mapping[str, str]:
        return {"RUNPOD_API_KEY": KEY}

    def routes(self) -> list[Route]:
        return [
            ("GET", "/v2/catalog/gpus", self._gpus),
            ("GET", "/v2/pods", self._pods),
            ("POST", "/v2/pods", self._create),
            ("DELETE", "/v2/pods/(?P<id>[^/]+)", self._delete),
        ]

    def spoilt(self, status: int) -> Answer:
        return _problem(status, "missing bearer token" if status == 401 else "the server says no")

    def region_of(self, asked: Asked) -> str:
        return asked.query.get("count", "")

    def _gpus(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        stocked = asked.query.get("include") == "AVAILABILITY"
        if stocked != ("product" in asked.query) or (STOCK_ASKED & asked.query.keys() and not stocked):
            return _problem(400, "include=AVAILABILITY and product go together, and the stock filters with both")
        count = int(asked.query.get("count", 1)) if stocked else 0
        shapes: dict[str, list[Product]] = {}
        for product in self.estate.products:
            shapes.setdefault(product.name.partition("x ")[2], []).append(product)
        return Answer({"gpus": [self._gpu(gpu, sold, count) for gpu, sold in shapes.items()]})

    def _gpu(self, gpu: str, sold: Sequence[Product], count: int) -> dict[str, Any]:
        found: dict[str, Any] = {
            "id": gpu,
            "name": sold[0].gpu,
            "pool": None,
            "manufacturer": gpu.split()[0],
            "memory": sold[0].gpu_memory_gib,
            "secure": True,
            "community": False,
            "price": {"secure": round(sold[0].usd_per_h / sold[0].gpus, 4), "community": 0.0},
            "maxCount": {"secure": max(each.gpus for each in sold), "community": 0},
        }
        if count:
            fits = [place for each in sold if each.gpus == count for place in each.stock.items()]
            found["availability"] = _level(max((left for _, left in fits), default=0))
            if fits:
                found["dataCenters"] = [{"id": place, "name": place.title(), "availability": _level(left)} for place, left in fits]
        return found

    def _pods(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        return Answer({"pods": [_pod(machine, self.estate.product(machine.product)) for machine in self.estate.running]})

    def _create(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        order = asked.body
        odd = [f"$: additional properties '{name}' not allowed" for name in sorted(set(order) - ORDER)]
        odd += [f"$: missing property '{name}'" for name in ("name", "image") if not order.get(name)]
        odd += [f"$.gpu: additional properties '{name}' not allowed" for name in sorted(set(order["gpu"]) - {"id", "count"})]
        if odd:
            return _problem(422, "Request validation failed.", odd)
        if not all(isinstance(value, str) for value in order["env"].values()) or order["disk"] < 1:
            return _problem(422, "Request validation failed.", ["$.env: values must be strings, $.disk at least 1"])
        name, places = f"{order['gpu'].get('count', 1)}x {order['gpu']['id']}", order["dataCenterIds"]
        if all(product.name != name for product in self.estate.products):
            return _problem(*REFUSALS[Refusal.STOCKOUT])
        try:
            machine = self.estate.create(name, places[0], words={"name": order["name"], "image": order["image"]})
        except RefusedError as refused:
            return _problem(*REFUSALS[refused.refusal])
        return Answer(_pod(machine, self.estate.product(name), status="PROVISIONING"), 201)

    def _delete(self, asked: Asked) -> Answer:
        if not bearer(asked, KEY):
            return self.spoilt(401)
        if not self.estate.delete(asked.parts["id"]):
            return _problem(404, "resource not found")
        return Answer("", 204)


def _problem(status: int, detail: str, errors: Sequence[str] = ()) -> Answer:
    body = {"title": TITLES[status], "status": status, "detail": detail} | ({"errors": list(errors)} if errors else {})
    return Answer(body, status, {"Content-Type": "application/problem+json"})


def _level(left: int) -> str:
    return "NONE" if left == 0 else "LOW" if left == 1 else "MEDIUM" if left < 5 else "HIGH"


def _pod(machine: Machine, product: Product, status: str = "RUNNING") -> dict[str, Any]:
    running = status == "RUNNING"
    ports = [{"ip": "213.173.104.74", "private": 8000, "public": 35558, "type": "tcp"}]
    runtime = {"uptime": 3, "gpus": [], "cpu": {"util": 0}, "memory": {"util": 0}, "ports": ports}
    return {
        "id": machine.id,
        "name": machine.words["name"],
        "status": status,
        "actions": ["stop", "restart", "terminate"] if running else ["terminate"],
        "image": machine.words["image"],
        "args": "",
        "disk": 100,
        "mounts": {},
        "ports": ["8000/tcp"],
        "env": {},
        "registry": None,
        "gpu": {"id": product.name.partition("x ")[2], "count": product.gpus},
        "cloud": "SECURE",
        "dataCenterId": machine.place,
        "cudaVersion": "13.0" if running else None,
        "ssh": {"proxy": None, "direct": None},
        "template": None,
        "cost": product.usd_per_h,
        "locked": False,
        "runtime": runtime if running else None,
        "createdAt": "2026-08-20T06:16:19.436Z",
        "startedAt": "2026-08-20T06:16:19.43Z" if running else None,
        "globalNetworking": {"enabled": False},
    }
