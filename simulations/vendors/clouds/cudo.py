"""Cudo Compute, played: parts with prices as strings, free GPUs by data centre and host, errors as google.rpc codes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from scheduler.domain.ports import ProviderSettings
from scheduler.domain.units import micro_usd
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, Seen, bearer
from simulations.vendors.server import Route

KEY = "fake-cudo-key"
CODES = {400: 3, 401: 16, 404: 5, 409: 6, 429: 8, 500: 13, 503: 14}
REFUSALS = {
    Refusal.STOCKOUT: (400, "There are no hosts available for your specified virtual machine."),
    # Assumed: the vendor's wording of this is not known.
    Refusal.QUOTA: (429, "Project quota exceeded."),
}
ANSWERS = {
    "machine-types-2": "ListVMMachineTypes2Response",
    "gpu-models": "ListVMGpuModelsResponse",
    "vms": "ListVMsResponse",
    "vm": "CreateVMResponse",
    "terminate": "TerminateVMResponse",
}
DISK_GIB = 100
CPU_ONLY = Product("intel-broadwell:0", "", 0, 0, 0, 0, 0.0, {})
PARTS = {"vcpuPriceHr": "0.002", "memoryGibPriceHr": "0.003", "minStorageGibPriceHr": "0.0001", "ipv4PriceHr": "0.0042"}


class Cudo(Fake):
    """``rest.compute.cudo.org``. A product is one GPU with its share of a host, at the price of the GPU alone."""

    kind = "cudo"
    assumed = {"quota": "status and wording of a quota refusal"}
    sdk = "cudo-compute"
    schema = "the SDK's models"
    late_stockouts = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("sapphire-rapids-h100:1", "H100 SXM", 1, 80, 12, 80, 2.25, {"us-newyork-1": 1, "fi-tampere-1": 0}),
            Product("epyc-rome-rtx-a5000:1", "RTX A5000", 1, 24, 2, 24, 0.35, {"se-smedjebacken-1": 3, "gb-bournemouth-1": 1}),
            Product("epyc-milan-rtx-a6000:1", "RTX A6000", 1, 48, 4, 48, 0.45, {"gb-bournemouth-1": 2}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"project": "inference", "image": "ubuntu-2204-nvidia-docker"}
        return ProviderSettings("cudo", "cudo", account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"CUDO_API_KEY": KEY}

    def routes(self) -> list[Route]:
        project = "/v1/projects/inference"
        calls: list[Route] = [
            ("GET", "/v1/vms/machine-types-2", self._types),
            ("GET", "/v1/vms/gpu-models", self._models),
            (
                "GET",
                f"{project}/vms",
                lambda asked: Answer({"VMs": [_vm(each) for each in self.estate.machines.values() if each.running or each.failed]}),
            ),
            ("POST", f"{project}/vm", self._create),
            ("POST", f"{project}/vms/(?P<id>[^/]+)/terminate", self._terminate),
        ]
        return [(method, path, self._guarded(action)) for method, path, action in calls]

    def check(self, asked: Asked, answer: Answer) -> None:
        name = "Status" if answer.status >= 400 else ANSWERS.get(asked.path.rsplit("/", 1)[-1], "")
        if name:
            _validate(name, answer.body)
        if asked.path.endswith("/vm"):
            _validate("CreateVMBody", asked.body)

    def spoilt(self, status: int) -> Answer:
        return _error(status, f"HTTP {status}")

    def is_launch(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path.endswith("/vm")

    def is_release(self, asked: Asked) -> bool:
        return asked.path.endswith("/terminate")

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """The SDK's objects; the machine is put together from its parts by the SDK's own decimals."""
        import cudo_compute  # type: ignore[import-untyped]

        configuration = cudo_compute.Configuration()
        configuration.host = url
        configuration.api_key["Authorization"], configuration.api_key_prefix["Authorization"] = KEY, "Bearer"
        api = cudo_compute.VirtualMachinesApi(cudo_compute.ApiClient(configuration))
        memory = {model.id: model.memory_gib for model in api.list_vm_gpu_models().gpu_models}
        for row in api.list_vm_machine_types2().machine_types:
            for gpus in [count for count in (1, 2, 4, 8) if row.gpu_model_id and count <= max(1, row.max_gpu_free)]:
                ram = max(row.min_memory_gib, gpus * memory[row.gpu_model_id])
                vcpus = math.ceil(max(row.min_vcpu, gpus * row.min_vcpu_per_gpu, ram * row.min_vcpu_per_memory_gib))
                parts = (
                    (gpus, row.gpu_price_hr), (vcpus, row.vcpu_price_hr), (ram, row.memory_gib_price_hr),
                    (DISK_GIB, row.min_storage_gib_price_hr), (1, row.ipv4_price_hr),
                )  # fmt: skip
                usd = sum(Decimal(str(amount)) * Decimal(price.value) for amount, price in parts)
                many = "available" if gpus <= row.max_gpu_free else "sold out"
                stock = f"{row.total_gpu_free} left" if gpus == 1 else many
                yield Seen(f"{row.machine_type}:{gpus}", row.data_center_id, spot=False, micro_usd_per_h=micro_usd(usd), stock=stock)

    def _guarded(self, action: Any) -> Any:
        return lambda asked: action(asked) if bearer(asked, KEY) else self.spoilt(401)

    def _types(self, asked: Asked) -> Answer:
        found = [_type(product, place, stock) for product in self.estate.products for place, stock in product.stock.items()]
        return Answer({"machineTypes": [*found, _type(CPU_ONLY, "gb-bournemouth-1", 0)]})

    def _models(self, asked: Asked) -> Answer:
        models = [
            {"id": _model_id(each), "vendorName": "NVIDIA", "modelName": each.gpu, "memoryGib": each.gpu_memory_gib}
            for each in self.estate.products
        ]
        return Answer({"gpuModels": models})

    def _create(self, asked: Asked) -> Answer:
        order = asked.body
        if order["vmId"] in {machine.words["id"] for machine in self.estate.machines.values() if machine.running or machine.failed}:
            return _error(409, "A vm with that id already exists")
        share = self.estate.product(f"{order['machineType']}:1")
        if order["vcpus"] < share.vcpus * order["gpus"] or not order["bootDisk"]["sizeGib"]:
            return _error(400, "invalid vcpus or disk")
        try:
            machine = self.estate.create(share.name, order["dataCenterId"], words={"id": order["vmId"], **order["metadata"]})
        except RefusedError as refused:
            return _error(*REFUSALS[refused.refusal])
        return Answer({"id": order["vmId"], "vm": _vm(machine)})

    def _terminate(self, asked: Asked) -> Answer:
        found = [machine for machine in self.estate.machines.values() if machine.words["id"] == asked.parts["id"]]
        for machine in found:
            machine.failed = False
        gone = [machine for machine in found if self.estate.delete(machine.id)]
        return Answer({}) if gone else _error(404, "not found")


def _error(status: int, message: str) -> Answer:
    return Answer({"code": CODES[status], "message": message, "details": []}, status)


def _validate(name: str, document: Any) -> None:
    """The SDK's model takes it and gives the same back: nothing missing, no unknown field, no wrong type."""
    import cudo_compute

    client = cudo_compute.ApiClient()
    back = client.sanitize_for_serialization(client.deserialize(SimpleNamespace(data=json.dumps(document)), name))
    if back != document:
        raise ValueError(f"the SDK's {name} makes {back} of {document}")


def _model_id(product: Product) -> str:
    return product.gpu.lower().replace(" ", "-")


def _type(product: Product, place: str, stock: int) -> dict[str, Any]:
    return {
        "dataCenterId": place,
        "machineType": product.name.rpartition(":")[0],
        "cpuModel": "Rome",
        "gpuModel": product.gpu,
        "gpuModelId": _model_id(product),
        "minVcpu": 1,
        "minMemoryGib": 1,
        "minVcpuPerGpu": product.vcpus,
        "maxVcpuPerGpu": product.vcpus * 4,
        "minVcpuPerMemoryGib": 0.02,
        "maxVcpuPerMemoryGib": 2,
        "gpuPriceHr": {"value": str(product.usd_per_h)},
        **{part: {"value": usd} for part, usd in PARTS.items()},
        "totalGpuFree": stock,
        "maxGpuFree": stock,
        "maxVcpuFree": 64,
        "totalVcpuFree": 256,
        "maxMemoryGibFree": 512,
        "totalMemoryGibFree": 2048,
        "maxStorageGibFree": 8000,
        "totalStorageGibFree": 32000,
        "renewableEnergy": True,
    }


def _vm(machine: Machine) -> dict[str, Any]:
    return {
        "id": machine.words["id"],
        "datacenterId": machine.place,
        "machineType": machine.product.rpartition(":")[0],
        "state": "FAILED" if machine.failed else "ACTIVE",
        "internalIpAddress": "10.0.0.9",
        "publicIpAddress": "198.51.100.9",
        "metadata": {key: value for key, value in machine.words.items() if key == "headrace"},
        "gpuQuantity": 1,
    }
