"""Cudo behind the provider ports."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.cudo import parse
from providers.cudo.errors import ALREADY_EXISTS, ERRORS, PROVIDER
from providers.http import JsonHttp
from providers.proofs import proof_of
from providers.rest import carrying, http_of, key_of, needed, rows, sifted, understood
from scheduler.domain.errors import InvalidInputError, NotFoundError, ProviderDataError, StockoutError, TransientError
from scheduler.domain.offer import AvailabilityKind
from scheduler.domain.ports import (
    Capabilities,
    Clock,
    CloudNode,
    JoinMethod,
    LaunchRequest,
    OfferPage,
    Pace,
    Provider,
    ProviderSettings,
)

ENDPOINT = "https://rest.compute.cudo.org"
SCOPE = "all"
_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class CudoProvider:
    """One Cudo project."""

    def __init__(self, settings: ProviderSettings, http: JsonHttp, clock: Clock) -> None:
        self._settings, self._http, self._clock = settings, http, clock
        self._disk_gib = _whole(settings, "disk_gib", 100)
        self._ram_gib = _whole(settings, "memory_gib_per_gpu", 0)

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page: Cudo tells all data centres in one answer."""
        types = rows(PROVIDER, await self._http.read("/v1/vms/machine-types-2"), "machineTypes")
        models = rows(PROVIDER, await self._http.read("/v1/vms/gpu-models"), "gpuModels")
        with understood(PROVIDER, "GPU models"):
            memory = parse.gpu_memory(models)
        shop = parse.Shop(self._settings.account, self._clock(), memory, self._disk_gib, self._ram_gib)
        offers, bad = sifted(SCOPE, types, lambda row: row["machineType"], lambda row: parse.offers(shop, row))
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(SCOPE, tuple(wanted), tuple(bad), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Create one machine, once. Raises the ProviderError family, InvalidInputError."""
        token, kind = request.launch_token, request.offer.instance_type
        if not _ID.fullmatch(token):
            raise InvalidInputError("launch_token", token, "no id of a Cudo machine", "At most 63 of a-z, 0-9 and dashes.")
        order: dict[str, Any] = {
            "vmId": token,
            "dataCenterId": request.offer.region,
            "machineType": kind.name.rpartition(":")[0],
            "gpus": kind.accelerator_count,
            "vcpus": kind.vcpus,
            "memoryGib": int(kind.memory_gib),
            "bootDisk": {"id": f"{token}-boot", "storageClass": "STORAGE_CLASS_NETWORK", "sizeGib": self._disk_gib},
            "bootDiskImageId": needed(self._settings.options, "image", "Name the boot image, public or your own."),
            "startScript": request.user_data,
            "sshKeySource": "SSH_KEY_SOURCE_PROJECT",
            "nics": [{"assignPublicIp": True}],
            "metadata": {parse.MARK: token},
        }
        try:
            made = await self._http.once("POST", f"{self._project()}/vm", body=order)
        except TransientError as error:
            if error.code == ALREADY_EXISTS:
                await self._clear_failed(token)
            raise
        if not isinstance(made, Mapping) or not made.get("id"):
            raise ProviderDataError(PROVIDER, "the answer to a launch names no machine")
        return CloudNode(str(made["id"]), token, True, request.offer.region, request.offer.zone, state="PENDING")

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """The machine with that id."""
        return carrying(await self.list_nodes(), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine of the project with our mark."""
        found = map(parse.node, rows(PROVIDER, await self._http.read(f"{self._project()}/vms"), "VMs"))
        return tuple(node for node in found if node.launch_token)

    async def terminate(self, node: CloudNode) -> None:
        """Terminate it; one that is gone is no error."""
        with contextlib.suppress(NotFoundError):
            await self._http.once("POST", f"{self._project()}/vms/{node.provider_node_id}/terminate")

    async def _clear_failed(self, token: str) -> None:
        """Make room for another attempt where the one before failed after it was accepted. Raises StockoutError then."""
        for node in await self.find(token):
            if node.state == "FAILED":
                await self.terminate(node)
                raise StockoutError(PROVIDER, "the machine failed to start and was removed", node.state)

    def _project(self) -> str:
        return f"/v1/projects/{needed(self._settings.options, 'project', 'Name the project that machines are created in.')}"


def _whole(settings: ProviderSettings, name: str, default: int) -> int:
    given = settings.options.get(name, str(default))
    if not given.isdigit():
        raise InvalidInputError(f"options.{name}", given, "no whole number", "Write GiB, such as 100.")
    return int(given)


def build(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The provider. Options: see FACTS.md."""
    key = key_of(PROVIDER, settings.options, environ, "CUDO_API_KEY")
    http = http_of(settings, ERRORS, ENDPOINT, pace, per_s=2, burst=5, headers=lambda: {"Authorization": f"Bearer {key()}"})
    adapter = CudoProvider(settings, http, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        availability=AvailabilityKind.COUNT,
        launches=True,
        join=JoinMethod.USER_DATA,
        freshness_target_s=120,
    )
    return Provider(settings.name, settings.account, "Cudo Compute", abilities, adapter, launcher=adapter, proof=proof_of(PROVIDER))
