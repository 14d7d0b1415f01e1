"""Calls through Nebius' SDK, imported when first used. Retries, pages, pace and time limits are ours; the SDK's are off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import stamina

from providers.http import RETRY_AFTER_S_MAX, retry_read
from providers.nebius.errors import PROVIDER, error_of, mapped
from providers.nebius.launch import Order
from providers.nebius.parse import TOKEN_LABEL
from providers.rest import settled, walked
from scheduler.domain.errors import AuthError, InvalidInputError
from scheduler.domain.ports import Budget, Pace

ATTEMPTS = 3
OPERATION_WAIT_S = 180.0
PAGE_SIZE = 100
SIGN_IN_S = 15.0
"""For exchanging a service account's key for a token, before the first call."""

TOKEN_VARIABLE = "NEBIUS_IAM_TOKEN"  # noqa: S105 - the name of a variable
FILE_VARIABLE = "NEBIUS_CREDENTIALS_FILE"


@dataclass(frozen=True, slots=True)
class Place:
    """A project, which lies in one region of one tenant."""

    project: str
    region: str
    tenant: str


@dataclass(frozen=True, slots=True)
class NebiusApi:
    """How to reach one tenant. ``endpoint`` "" is Nebius; ``timeout_s`` is for one call."""

    endpoint: str
    credentials: Mapping[str, Any]
    pace: Pace
    budget: Budget
    timeout_s: float

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Session]:
        """A connection, closed at the end: it belongs to the running event loop. Raises AuthError, InvalidInputError."""
        async with await asyncio.to_thread(self._sdk) as sdk:
            yield Session(sdk, self)

    def _sdk(self) -> Any:
        try:
            from nebius.base.options import INSECURE
            from nebius.base.resolver import Constant
            from nebius.sdk import SDK
        except ImportError as error:
            raise InvalidInputError("providers.kind", PROVIDER, "Nebius' SDK is not installed", "Install headrace[nebius].") from error
        where: dict[str, Any] = {}
        if self.endpoint:
            parts = urlsplit(self.endpoint)
            where = {"resolver": Constant(parts.netloc), "options": [(INSECURE, parts.scheme == "http")]}
        if not self.credentials:
            raise AuthError(PROVIDER, f"no credentials: set {TOKEN_VARIABLE} or {FILE_VARIABLE}")
        try:
            return SDK(user_agent_prefix="headrace", **self.credentials, **where)
        except Exception as error:  # a broken file raises whatever reading it raises, and its text must not reach a message
            raise AuthError(PROVIDER, f"the credentials cannot be used: {type(error).__name__}") from error


class Session:
    """The calls of one connection."""

    def __init__(self, sdk: Any, api: NebiusApi) -> None:
        self._sdk, self._api = sdk, api

    async def place(self, project: str) -> Place:
        """Where a project lies."""
        from nebius.api.nebius.iam.v2 import GetProjectRequest, ProjectServiceClient

        client = ProjectServiceClient(self._sdk)
        found = await self._read("a project", lambda how: client.get(GetProjectRequest(id=project), **how))
        return Place(project, found.spec.region, found.metadata.parent_id)

    async def platforms(self, project: str) -> list[Any]:
        """Platforms with their presets, those without GPUs among them."""
        from nebius.api.nebius.compute.v1 import ListPlatformsRequest, PlatformServiceClient

        return await self._listed("platforms", PlatformServiceClient(self._sdk), ListPlatformsRequest, project)

    async def advice(self, tenant: str) -> list[Any]:
        """What could be had, in all regions."""
        from nebius.api.nebius.capacity.v1 import ListResourceAdviceRequest, ResourceAdviceServiceClient

        return await self._listed("resource advice", ResourceAdviceServiceClient(self._sdk), ListResourceAdviceRequest, tenant)

    async def instances(self, project: str) -> list[Any]:
        """Every instance of a project."""
        from nebius.api.nebius.compute.v1 import InstanceServiceClient, ListInstancesRequest

        return await self._listed("instances", InstanceServiceClient(self._sdk), ListInstancesRequest, project)

    async def estimate(self, project: str, platform: str, preset: str, *, preemptible: bool) -> Any:
        """What one machine costs by the hour, without its disk, at our contract's prices."""
        from nebius.api.google.protobuf import Any as Packed
        from nebius.api.nebius.billing.v1 import (
            CalculatorServiceClient,
            EstimateBatchRequest,
            FilterAggregationUnit,
            OfferType,
            ResourceSpec,
        )
        from nebius.api.nebius.common.v1 import ResourceMetadata
        from nebius.api.nebius.compute.v1 import CreateInstanceRequest, InstanceSpec, ResourcesSpec

        spec = InstanceSpec(resources=ResourcesSpec(platform=platform, preset=preset), preemptible=_preemptible() if preemptible else None)
        wanted = CreateInstanceRequest(metadata=ResourceMetadata(parent_id=project), spec=spec)
        kind = "type.googleapis.com/nebius.compute.v1.CreateInstanceRequest"
        hour = FilterAggregationUnit.FilterAggregationUnitValue.FILTER_AGGREGATION_UNIT_HOUR
        request = EstimateBatchRequest(
            resource_specs=[ResourceSpec(spec=Packed(type_url=kind, value=wanted.SerializeToString()))],
            offer_types=[OfferType.OFFER_TYPE_CONTRACT_PRICE],
            currency="usd",
            filter_aggregation_unit=FilterAggregationUnit(filter_aggregation_unit_values=[hour]),
        )
        return await self._read("a price", lambda how: CalculatorServiceClient(self._sdk).estimate_batch(request, **how))

    async def create(self, project: str, wanted: Order) -> Any:
        """Create an instance, once; its operation. The boot disk is managed, so that it is deleted with the instance."""
        from nebius.api.nebius.common.v1 import ResourceMetadata
        from nebius.api.nebius.compute import v1

        disk = v1.DiskSpec(
            size_gibibytes=wanted.boot_disk_gib,
            type=v1.DiskSpec.DiskType.NETWORK_SSD,
            source_image_family=v1.SourceImageFamily(image_family=wanted.image_family),
        )
        boot = v1.AttachedDiskSpec(
            attach_mode=v1.AttachedDiskSpec.AttachMode.READ_WRITE,
            managed_disk=v1.ManagedDisk(name=f"{wanted.token}-boot", spec=disk),
        )
        interface = v1.NetworkInterfaceSpec(
            name="eth0", subnet_id=wanted.subnet, ip_address=v1.IPAddress(), public_ip_address=v1.PublicIPAddress()
        )
        spec = v1.InstanceSpec(
            resources=v1.ResourcesSpec(platform=wanted.platform, preset=wanted.preset),
            boot_disk=boot,
            network_interfaces=[interface],
            cloud_init_user_data=wanted.user_data,
            preemptible=_preemptible() if wanted.preemptible else None,
            recovery_policy=v1.InstanceRecoveryPolicy.FAIL,
        )
        metadata = ResourceMetadata(parent_id=project, name=wanted.token, labels={TOKEN_LABEL: wanted.token})
        request = v1.CreateInstanceRequest(metadata=metadata, spec=spec)
        key = [("x-idempotency-key", wanted.token)]
        return await self._once("a launch", lambda how: v1.InstanceServiceClient(self._sdk).create(request, metadata=key, **how))

    async def finished(self, operation: Any) -> None:
        """Wait for an operation. Raises what it failed with; TransientError where it is still running."""

        async def ask() -> Any:
            if not operation.done():
                await self._read("an operation", lambda how: operation.update(**how))
            return operation

        await settled(PROVIDER, ask, lambda each: not each.done(), wait_s=OPERATION_WAIT_S)
        if not operation.successful():
            raise error_of(operation.status(), "a launch")

    async def delete(self, instance: str) -> None:
        """Start deleting an instance with its managed disk."""
        from nebius.api.nebius.compute.v1 import DeleteInstanceRequest, InstanceServiceClient

        client = InstanceServiceClient(self._sdk)
        await self._once("a release", lambda how: client.delete(DeleteInstanceRequest(id=instance), **how))

    async def _listed(self, what: str, client: Any, request: Any, parent: str) -> list[Any]:
        async def page(token: str) -> tuple[Sequence[Any], str]:
            asked = request(parent_id=parent, page_size=PAGE_SIZE, page_token=token)
            answer = await self._read(what, lambda how: client.list(asked, **how))
            return list(answer.items), answer.next_page_token

        return await walked(PROVIDER, page)

    async def _read(self, what: str, call: Callable[[Mapping[str, Any]], Awaitable[Any]]) -> Any:
        async for attempt in stamina.retry_context(on=retry_read, attempts=ATTEMPTS, timeout=120.0, wait_max=RETRY_AFTER_S_MAX):
            with attempt:
                return await self._once(what, call)
        raise AssertionError("stamina returns or raises")

    async def _once(self, what: str, call: Callable[[Mapping[str, Any]], Awaitable[Any]]) -> Any:
        await self._api.pace.take(self._api.budget)
        limit_s = self._api.timeout_s
        how = {"timeout": limit_s, "per_retry_timeout": limit_s, "retries": 0, "auth_timeout": limit_s + SIGN_IN_S}
        with mapped(what):
            return await call(how)


def _preemptible() -> Any:
    from nebius.api.nebius.compute.v1 import PreemptibleSpec

    return PreemptibleSpec(on_preemption=PreemptibleSpec.PreemptionPolicy.STOP)


def credentials(options: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The SDK's arguments for a token or a service account's file; none where neither is named."""
    token = environ.get(TOKEN_VARIABLE, "").strip()
    place = options.get("credentials_file") or environ.get(FILE_VARIABLE, "")
    if place:
        return {"credentials_file_name": place}
    return {"credentials": token} if token else {}
