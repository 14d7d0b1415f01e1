"""Prime Intellect, played: one market of many clouds in numbered pages, stock in words, pods from templates, errors in ``detail``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, PageExpiredError, Product, RefusedError, bearer
from simulations.vendors.server import Route

KEY = "fake-prime-key"
# Assumed: the vendor documents no wording.
REFUSALS = {Refusal.STOCKOUT: (409, "The selected GPU is not available anymore."), Refusal.QUOTA: (402, "Insufficient funds.")}
CLOUDS = {"H100_80GB": "lambdalabs", "RTX4090_24GB": "runpod", "A6000_48GB": "hyperstack", "L40S_48GB": "datacrunch"}
COUNTRIES = {"us-south-1": "US", "US-KS-2": "US", "EU-RO-1": "RO", "CANADA-1": "CA", "FIN-01": "FI"}
SOCKETS = {"H100_80GB": "SXM5"}
POD = {
    "name", "cloudId", "gpuType", "socket", "gpuCount", "diskSize", "vcpus", "memory", "maxPrice", "image", "customTemplateId",
    "dataCenterId", "country", "security", "envVars", "jupyterPassword", "sshKeyId", "autoRestart", "prepaidForHr",
}  # fmt: skip


class PrimeIntellect(Fake):
    """``api.primeintellect.ai/api/v1``."""

    kind = "primeintellect"
    assumed = {"quota": "status and wording", "stockout": "status and wording"}
    paged = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("gpu_8x_h100_sxm5:8", "H100_80GB", 8, 80, 208, 1800, 23.92, {"us-south-1": 1}),
            Product("NVIDIA GeForce RTX 4090:1", "RTX4090_24GB", 1, 24, 16, 62, 0.69, {"US-KS-2": 6, "EU-RO-1": 2}, spot_usd_per_h=0.35),
            Product("n3-RTX-A6000x2:2", "A6000_48GB", 2, 48, 56, 116, 1.0, {"CANADA-1": 0}),
            Product("2L40S.40V:2", "L40S_48GB", 2, 48, 40, 120, 1.82, {"FIN-01": 3}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"template": "tmpl-headrace"}
        return ProviderSettings("primeintellect", "primeintellect", account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"PRIME_API_KEY": KEY}

    def routes(self) -> list[Route]:
        calls: list[Route] = [
            ("GET", "/availability/gpus", self._market),
            ("GET", "/pods/", self._pods),
            ("POST", "/pods/", self._create),
            ("DELETE", "/pods/(?P<id>[^/]+)", self._delete),
        ]
        return [(method, path, self._guarded(action)) for method, path, action in calls]

    def spoilt(self, status: int) -> Answer:
        return Answer({"detail": f"HTTP {status}"}, status)

    def _guarded(self, action: Any) -> Any:
        return lambda asked: action(asked) if bearer(asked, KEY) else self.spoilt(401)

    def _market(self, asked: Asked) -> Answer:
        count = int(asked.query.get("gpu_count", 0))
        found = [row for row in self._rows() if count in (0, row["gpuCount"])]
        number, size = int(asked.query.get("page", 1)), int(asked.query.get("page_size", 100))
        if size > 100:
            return Answer({"detail": [{"loc": ["query", "page_size"], "msg": "Input should be less than or equal to 100"}]}, 422)
        token, page, following = "", list[dict[str, Any]](), ""
        try:
            for _ in range(number):
                page, following = self.estate.page(found, token, size)
                token = following
        except PageExpiredError:
            return Answer({"detail": "Page not found"}, 404)
        return Answer({"items": page, "totalCount": len(found)})

    def _rows(self) -> list[dict[str, Any]]:
        rows = [_row("cpu-node:1", "CPU_NODE", 0.1, "US-KS-2", 9)]
        for product in self.estate.products:
            for place, stock in product.stock.items():
                rows.append(_row(product.name, product.gpu, product.usd_per_h, place, stock, product))
                if product.spot_usd_per_h is not None:
                    rows.append({**_row(product.name, product.gpu, product.spot_usd_per_h, place, stock, product), "isSpot": True})
        prepaid = {**_row("prepaid:8", "H100_80GB", 15.0, "us-south-1", 9), "prepaidTime": 720}
        return [*rows, prepaid]

    def _pods(self, asked: Asked) -> Answer:
        found = [_pod(machine) for machine in self.estate.running]
        offset, limit = int(asked.query.get("offset", 0)), int(asked.query.get("limit", 100))
        return Answer({"total_count": len(found), "offset": offset, "limit": limit, "data": found[offset : offset + limit]})

    def _create(self, asked: Asked) -> Answer:
        pod, provider = asked.body["pod"], asked.body["provider"]["type"]
        if set(pod) - POD or set(asked.body) - {"pod", "provider", "team", "disks"}:
            return Answer({"detail": f"unknown fields in {sorted(pod)}"}, 422)
        product = self.estate.product(f"{pod['cloudId']}:{pod['gpuCount']}")
        exact = (CLOUDS[product.gpu], product.gpu, COUNTRIES[pod["dataCenterId"]], "custom_template")
        if exact != (provider, pod["gpuType"], pod["country"], pod["image"]):
            return Answer({"detail": "the market has no such row"}, 400)
        try:
            return Answer(_pod(self.estate.create(product.name, pod["dataCenterId"], words={"name": pod["name"]})))
        except RefusedError as refused:
            status, detail = REFUSALS[refused.refusal]
            return Answer({"detail": detail}, status)

    def _delete(self, asked: Asked) -> Answer:
        return Answer({"status": "deleted"}) if self.estate.delete(asked.parts["id"]) else Answer({"detail": "Pod not found"}, 404)


def _row(name: str, gpu: str, usd: float, place: str, stock: int, product: Product | None = None) -> dict[str, Any]:
    cloud_id, _, count = name.rpartition(":")
    return {
        "cloudId": cloud_id,
        "gpuType": gpu,
        "socket": SOCKETS.get(gpu, "PCIe"),
        "provider": CLOUDS.get(gpu, "lambdalabs"),
        "dataCenter": place,
        "country": COUNTRIES[place],
        "gpuCount": int(count),
        "gpuMemory": product.gpu_memory_gib if product else 0,
        "disk": {"minCount": 80, "defaultCount": 80, "maxCount": 1000, "step": 1, "pricePerUnit": 0.0001, "defaultIncludedInPrice": True},
        "vcpu": {"defaultCount": product.vcpus if product else 4, "defaultIncludedInPrice": True, "step": None},
        "memory": {"defaultCount": product.memory_gib if product else 16, "defaultIncludedInPrice": True, "step": None},
        "provisioningTime": 3,
        "stockStatus": "Unavailable" if stock == 0 else "Low" if stock == 1 else "Available" if stock < 4 else "High",
        "security": "secure_cloud",
        "prices": {"onDemand": usd, "communityPrice": None, "isVariable": None, "currency": "USD"},
        "images": ["ubuntu_22_cuda_12", "custom_template"],
        "isSpot": None,
        "prepaidTime": None,
    }


def _pod(machine: Machine) -> dict[str, Any]:
    return {
        "id": machine.id,
        "name": machine.words["name"],
        "gpuName": machine.product,
        "gpuCount": int(machine.product.rpartition(":")[2]),
        "status": "PROVISIONING",
        "createdAt": "2026-11-01T00:00:00Z",
        "providerType": "runpod",
        "ip": None,
        "sshConnection": None,
        "priceHr": 0.69,
    }
