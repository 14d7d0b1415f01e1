"""Nebius, played over gRPC: platforms with presets, a price calculator, resource advice, operations that may fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import grpc

from scheduler.domain.offer import Availability, StockBucket
from scheduler.domain.ports import ProviderSettings
from scheduler.domain.units import micro_usd
from simulations.vendors.estate import Machine, PageExpiredError, Refusal
from simulations.vendors.fake import Asked, Fake, Product, RefusedError, Seen, bearer
from simulations.vendors.grpc_server import Call, GrpcVendor, Refused
from simulations.vendors.server import FakeVendor, Trouble

TOKEN = "fake-iam-token"  # noqa: S105 - the fake's own
TENANT = "tenant-fake"
PROJECTS = {"project-north": "eu-north1", "project-us": "us-central1"}
LABEL = "headrace-launch"
GB_PER_GPU = {"gpu-b200-sxm": 180, "gpu-h200-sxm": 141, "gpu-l40s-d": 48}


class Nebius(Fake):
    """Compute, billing, capacity and identity behind one address."""

    kind = "nebius"
    sdk = "nebius"
    schema = "messages of the SDK"
    paged = True
    regional = True
    late_stockouts = True
    troubles = frozenset(
        {Trouble.UNAUTHORISED, Trouble.RATE_LIMITED, Trouble.SERVER_ERROR, Trouble.UNAVAILABLE, Trouble.SLOW, Trouble.RESET}
    )

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("gpu-b200-sxm_8gpu-160vcpu-1792gb", "gpu-b200-sxm", 8, 180, 160, 1792, 44.0, {"us-central1": 2}),
            Product("gpu-h200-sxm_1gpu-16vcpu-200gb", "gpu-h200-sxm", 1, 141, 16, 200, 3.5, {"eu-north1": 9, "us-central1": 4}, 1.45),
            Product("gpu-h200-sxm_8gpu-128vcpu-1600gb", "gpu-h200-sxm", 8, 141, 128, 1600, 28.0, {"eu-north1": 0}, 11.6),
            Product("gpu-l40s-d_2gpu-64vcpu-384gb", "gpu-l40s-d", 2, 48, 64, 384, 4.5688, {"eu-north1": 1}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"projects": ",".join(PROJECTS), "subnet": "subnet-fake", "image_family": "ubuntu24.04-cuda12"}
        return ProviderSettings("nebius", "nebius", account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"NEBIUS_IAM_TOKEN": TOKEN}

    def __init__(self) -> None:
        super().__init__()
        self._operations: dict[str, Any] = {}

    def serve(self, *, latency_s: float = 0.0) -> FakeVendor:
        from nebius.api.nebius.billing import v1 as billing
        from nebius.api.nebius.capacity import v1 as capacity
        from nebius.api.nebius.common import v1 as common
        from nebius.api.nebius.compute import v1 as compute
        from nebius.api.nebius.iam import v2 as iam

        methods = {
            "/nebius.iam.v2.ProjectService/Get": Call(iam.GetProjectRequest, self._project),
            "/nebius.capacity.v1.ResourceAdviceService/List": Call(capacity.ListResourceAdviceRequest, self._advice),
            "/nebius.compute.v1.PlatformService/List": Call(compute.ListPlatformsRequest, self._platforms),
            "/nebius.billing.v1.CalculatorService/EstimateBatch": Call(billing.EstimateBatchRequest, self._estimate),
            "/nebius.compute.v1.InstanceService/List": Call(compute.ListInstancesRequest, self._instances),
            "/nebius.compute.v1.InstanceService/Create": Call(compute.CreateInstanceRequest, self._create),
            "/nebius.compute.v1.InstanceService/Delete": Call(compute.DeleteInstanceRequest, self._delete),
            "/nebius.common.v1.OperationService/Get": Call(common.GetOperationRequest, self._operation),
        }
        signed = {path: Call(call.request, _known(call.action)) for path, call in methods.items()}
        return GrpcVendor(signed, refusal)

    def is_launch(self, asked: Asked) -> bool:
        return asked.path.endswith("/Create")

    def is_release(self, asked: Asked) -> bool:
        return asked.path.endswith("/Delete")

    def region_of(self, asked: Asked) -> str:
        if asked.path.endswith("PlatformService/List"):
            return PROJECTS[asked.body.parent_id]
        return PROJECTS[_wanted(asked).metadata.parent_id] if asked.path.endswith("/EstimateBatch") else ""

    # what is sold ---------------------------------------------------------------------------------------------------------------

    def _project(self, asked: Asked) -> Any:
        from nebius.api.nebius.common.v1 import ResourceMetadata
        from nebius.api.nebius.iam.v2 import Project, ProjectSpec

        region = PROJECTS[asked.body.id]
        return Project(metadata=ResourceMetadata(id=asked.body.id, parent_id=TENANT, name=region), spec=ProjectSpec(region=region))

    def _platforms(self, asked: Asked) -> Any:
        from nebius.api.nebius.common.v1 import ResourceMetadata
        from nebius.api.nebius.compute import v1

        here = [each for each in self.estate.products if PROJECTS[asked.body.parent_id] in each.stock]
        here.append(Product("cpu-d3_4vcpu-16gb", "cpu-d3", 0, 0, 4, 16, 0.1, {}))
        rows = []
        for name in dict.fromkeys(product.gpu for product in here):
            mine = [product for product in here if product.gpu == name]
            spec = v1.PlatformSpec(presets=[_preset(product) for product in mine], gpu_memory_gigabytes=GB_PER_GPU.get(name, 0))
            status = v1.PlatformStatus(allowed_for_preemptibles=mine[0].spot_usd_per_h is not None)
            rows.append(v1.Platform(metadata=ResourceMetadata(id=f"computeplatform-{name}", name=name), spec=spec, status=status))
        return v1.ListPlatformsResponse(**self._page(rows, asked))

    def _page(self, rows: list[Any], asked: Asked) -> dict[str, Any]:
        try:
            shown, following = self.estate.page(rows, asked.body.page_token, asked.body.page_size or 10)
        except PageExpiredError:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "invalid page token") from None
        return {"items": shown, "next_page_token": following}

    def _estimate(self, asked: Asked) -> Any:
        from nebius.api.nebius.billing import v1

        wanted = _wanted(asked)
        product = self._product(wanted.spec.resources)
        spot = wanted.spec.check_presence("preemptible")
        cost = product.spot_usd_per_h if spot else product.usd_per_h
        if cost is None or len(asked.body.resource_specs) != 1:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "this platform is not sold preemptible")
        unit = v1.AggregationUnit(unit="hour", unit_type=v1.AggregationUnit.UnitType.UNIT_TYPE_TIME_BASED)
        total = v1.CostBreakdown(cost=f"{cost:.6f}", cost_rounded=f"{cost:.2f}")
        answer = v1.TotalCost(aggregation_unit=unit, general=v1.GeneralResourceCost(total=total))
        return v1.EstimateBatchResponse(total_costs=[answer], currency=asked.body.currency or "usd")

    def _product(self, resources: Any) -> Product:
        """By platform and preset: a product's name keeps the preset even where a fault renames its GPU."""
        fits = (each for each in self.estate.products if each.gpu == resources.platform and each.name.endswith(f"_{resources.preset}"))
        return next(fits)

    def _advice(self, asked: Asked) -> Any:
        from nebius.api.nebius.capacity import v1

        rows = []
        for product in self.estate.products:
            for region, left in product.stock.items():
                preset = v1.ComputeInstanceDetails.Preset(name=product.name.partition("_")[2])
                machine = v1.ComputeInstanceDetails(platform=product.gpu, preset=preset)
                status = v1.ResourceAdviceStatus(on_demand=_level(left), preemptible=_level(left, fresh=False))
                rows.append(v1.ResourceAdvice(spec=v1.ResourceAdviceSpec(region=region, compute_instance=machine), status=status))
        return v1.ListResourceAdviceResponse(**self._page(rows, asked))

    # machines -------------------------------------------------------------------------------------------------------------------

    def _instances(self, asked: Asked) -> Any:
        from nebius.api.nebius.compute import v1

        here = [each for each in self.estate.running if each.place == PROJECTS[asked.body.parent_id]]
        return v1.ListInstancesResponse(**self._page([_instance(machine) for machine in here], asked))

    def _create(self, asked: Asked) -> Any:
        order, region = asked.body, PROJECTS[asked.body.metadata.parent_id]
        product = self._product(order.spec.resources)
        if region not in product.stock or not order.spec.boot_disk.managed_disk.spec.source_image_family.image_family:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "this platform is not available here, or there is no boot image")
        words = {"name": order.metadata.name, "label": order.metadata.labels.get(LABEL, ""), "user_data": order.spec.cloud_init_user_data}
        spot, key = order.spec.check_presence("preemptible"), asked.headers.get("x-idempotency-key", "")
        try:
            machine = self.estate.create(product.name, region, spot=spot, words=words, token=key)
        except RefusedError as refused:
            if refused.refusal is Refusal.QUOTA:
                raise _exhausted("quota_failure") from None
            return self._started("computeinstance-none", failed=True)
        return self._started(machine.id, failed=machine.failed)

    def _started(self, resource: str, *, failed: bool) -> Any:
        """An operation that is not done yet; asked again, it is."""
        from nebius.api.google.rpc import Status
        from nebius.api.nebius.common.v1 import Operation

        number = f"computeoperation-{len(self._operations) + 1}"
        status = Status.FromString(_exhausted("not_enough_resources").details) if failed else Status(code=0)
        self._operations[number] = Operation(id=number, resource_id=resource, status=status)
        return Operation(id=number, resource_id=resource)

    def _operation(self, asked: Asked) -> Any:
        return self._operations[asked.body.id]

    def _delete(self, asked: Asked) -> Any:
        if not self.estate.delete(asked.body.id):
            raise Refused(grpc.StatusCode.NOT_FOUND, "no such instance")
        return self._started(asked.body.id, failed=False)

    # the vendor's own view ------------------------------------------------------------------------------------------------------

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """Platforms, estimates and advice by the SDK's own objects and enumerations."""
        return asyncio.run(_seen(url))


async def _seen(url: str) -> list[Seen]:
    from nebius.api.nebius.billing import v1 as billing
    from nebius.api.nebius.capacity import v1 as capacity
    from nebius.api.nebius.common.v1 import ResourceMetadata
    from nebius.api.nebius.compute import v1 as compute
    from nebius.base.options import INSECURE
    from nebius.base.resolver import Constant
    from nebius.sdk import SDK

    found: list[Seen] = []
    address = Constant(url.removeprefix("http://"))
    async with SDK(credentials=TOKEN, resolver=address, options=[(INSECURE, True)], user_agent_prefix="headrace-proof/1.0") as sdk:
        told = (
            await capacity.ResourceAdviceServiceClient(sdk).list(capacity.ListResourceAdviceRequest(parent_id=TENANT, page_size=100))
        ).items
        for project, region in PROJECTS.items():
            platforms = await compute.PlatformServiceClient(sdk).list(compute.ListPlatformsRequest(parent_id=project, page_size=100))
            for platform in platforms.items:
                for preset in platform.spec.presets:
                    for spot in (False, True):
                        if not preset.resources.gpu_count or (spot and not platform.status.allowed_for_preemptibles):
                            continue
                        machine = compute.InstanceSpec(
                            resources=compute.ResourcesSpec(platform=platform.metadata.name, preset=preset.name),
                            preemptible=compute.PreemptibleSpec() if spot else None,
                        )
                        order = compute.CreateInstanceRequest(metadata=ResourceMetadata(parent_id=project), spec=machine)
                        request = billing.EstimateBatchRequest(resource_specs=[billing.ResourceSpec(spec=_packed(order))])
                        cost = (await billing.CalculatorServiceClient(sdk).estimate_batch(request)).total_costs[0].general
                        stock = _sdk_stock(told, region, platform.metadata.name, preset.name, spot=spot)
                        name = f"{platform.metadata.name}_{preset.name}"
                        found.append(Seen(name, region, spot, micro_usd(cost.total.cost if cost else "0"), stock))
    return found


def _sdk_stock(told: Iterable[Any], region: str, platform: str, preset: str, *, spot: bool) -> str:
    from nebius.api.nebius.capacity.v1 import ResourceAdviceStatus

    levels = ResourceAdviceStatus.Availability.AvailabilityLevel
    words = {levels.AVAILABILITY_LEVEL_HIGH: StockBucket.HIGH, levels.AVAILABILITY_LEVEL_MEDIUM: StockBucket.MEDIUM}
    for row in told:
        details = row.spec.compute_instance
        if (row.spec.region, details.platform, details.preset.name) == (region, platform, preset):
            state = row.status.preemptible if spot else row.status.on_demand
            if state.data_state == ResourceAdviceStatus.Availability.DataState.DATA_STATE_FRESH:
                bucket = words.get(state.availability_level, StockBucket.LOW) if state.available else StockBucket.NONE
                return Availability.of_bucket(bucket).text()
    return Availability().text()


def refusal(trouble: Trouble) -> Refused:
    """How Nebius' services, or the network before them, word a trouble."""
    match trouble:
        case Trouble.UNAUTHORISED:
            return Refused(grpc.StatusCode.UNAUTHENTICATED, "the token is invalid")
        case Trouble.RATE_LIMITED:
            return _exhausted("too_many_requests")
        case Trouble.SERVER_ERROR:
            return Refused(grpc.StatusCode.INTERNAL, "internal error")
        case Trouble.RESET:
            return Refused(grpc.StatusCode.UNAVAILABLE, "recvmsg: Connection reset by peer")
        case _:
            return Refused(grpc.StatusCode.UNAVAILABLE, "the service is unavailable")


def _exhausted(what: str) -> Refused:
    """RESOURCE_EXHAUSTED, which only its details tell apart."""
    from nebius.api.google.rpc import Status
    from nebius.api.nebius.common import v1

    details: dict[str, Any] = {
        "too_many_requests": v1.TooManyRequests(violation="requests per second"),
        "quota_failure": v1.QuotaFailure(
            violations=[v1.QuotaFailure.Violation(quota="compute.instance.gpu.h200", limit="0", requested="1")]
        ),
        "not_enough_resources": v1.NotEnoughResources(violations=[v1.NotEnoughResources.Violation(resource_type="gpu", requested="1")]),
    }
    error = v1.ServiceError(service="compute", code=what, **{what: details[what]})
    status = Status(code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message=what.replace("_", " "), details=[_packed(error)])
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, what.replace("_", " "), status.SerializeToString())


def _packed(message: Any) -> Any:
    from nebius.api.google.protobuf import Any as Packed

    return Packed(type_url=f"type.googleapis.com/{message.__PROTO_FULL_NAME__}", value=message.SerializeToString())


def _wanted(asked: Asked) -> Any:
    """The creation inside a request for an estimate."""
    from nebius.api.nebius.compute.v1 import CreateInstanceRequest

    return CreateInstanceRequest.FromString(asked.body.resource_specs[0].spec.value)


def _known(action: Any) -> Any:
    def checked(asked: Asked) -> Any:
        if not bearer(asked, TOKEN):
            raise refusal(Trouble.UNAUTHORISED)
        return action(asked)

    return checked


def _level(left: int, *, fresh: bool = True) -> Any:
    from nebius.api.nebius.capacity.v1 import ResourceAdviceStatus

    told = ResourceAdviceStatus.Availability
    names = told.AvailabilityLevel
    level = names.AVAILABILITY_LEVEL_LOW if left < 3 else names.AVAILABILITY_LEVEL_MEDIUM if left < 6 else names.AVAILABILITY_LEVEL_HIGH
    state = told.DataState.DATA_STATE_FRESH if fresh else told.DataState.DATA_STATE_STALE
    return told(data_state=state, available=left, limit=16, availability_level=level)


def _preset(product: Product) -> Any:
    from nebius.api.nebius.compute import v1

    resources = v1.PresetResources(vcpu_count=product.vcpus, memory_gibibytes=product.memory_gib, gpu_count=product.gpus)
    return v1.Preset(name=product.name.partition("_")[2], resources=resources)


def _instance(machine: Machine) -> Any:
    from nebius.api.nebius.common.v1 import ResourceMetadata
    from nebius.api.nebius.compute import v1

    project = next(name for name, region in PROJECTS.items() if region == machine.place)
    labels = {LABEL: machine.words["label"]} if machine.words["label"] else {}
    interface = v1.NetworkInterfaceStatus(name="eth0", ip_address=v1.IPAddressStatus(address="10.0.0.9/32"))
    platform, _, preset = machine.product.partition("_")
    return v1.Instance(
        metadata=ResourceMetadata(id=machine.id, parent_id=project, name=machine.words["name"], labels=labels),
        spec=v1.InstanceSpec(resources=v1.ResourcesSpec(platform=platform, preset=preset)),
        status=v1.InstanceStatus(state=v1.InstanceStatus.InstanceState.RUNNING, network_interfaces=[interface]),
    )
