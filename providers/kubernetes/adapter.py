"""A Kubernetes cluster behind the provider ports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from providers.kubernetes import launch, parse
from providers.kubernetes.errors import ALREADY_EXISTS, KIND, table
from providers.kubernetes.growth import Growth, growth_of
from providers.kubernetes.labels import RESOURCES
from providers.kubernetes.launch import PodTemplate
from providers.kubernetes.prices import Prices, prices_of
from providers.kubernetes.transport import KubeApi, access_of
from providers.pricelist import ListPrice
from providers.proofs import proof_of
from providers.rest import carrying, needed
from scheduler.domain.errors import NotFoundError, ProviderError, StockoutError, TransientError
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

LIVING = "status.phase!=Succeeded,status.phase!=Failed"
DECIDES_S = 15.0
"""How long a launch waits for the scheduler, or for the cluster's word on quota and capacity."""


class KubernetesProvider:
    """One cluster: nodes that are free, or that it grows."""

    def __init__(self, settings: ProviderSettings, api: KubeApi, prices: Prices, growth: Growth | None, clock: Clock) -> None:
        self._settings, self._api, self._prices, self._growth, self._clock = settings, api, prices, growth, clock
        options = settings.options
        self._namespace = options.get("namespace", "headrace")
        self._tolerated = (*RESOURCES, *(key.strip() for key in options.get("tolerations", "").split(",") if key.strip()))
        self._pods = f"/api/v1/namespaces/{self._namespace}/pods"
        self._secrets = f"/api/v1/namespaces/{self._namespace}/secrets"

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One page, the whole cluster."""
        stamp = self._stamp()
        seen = await self._sight(stamp)
        offers, unpriced = parse.offers(stamp, seen.nodes) if self._growth is None else (parse.grown(stamp, seen), [])
        wanted = [offer for offer in offers if not self._settings.regions or offer.region in self._settings.regions]
        yield OfferPage(parse.SCOPE, tuple(wanted), (*seen.quarantined, *unpriced), complete=True)

    async def launch(self, request: LaunchRequest) -> CloudNode:
        """Start an agent pod on a free node, or grow a node for it. Idempotent by token. Raises the ProviderError family."""
        template = self._template()
        launch.metadata(request)
        for known in await self.find(request.launch_token):
            if known.running:
                return known
        resource, free = await self._room(request)
        try:
            await self._put_secret(launch.secret(request, template))
            made = await self._pod(launch.pod(request, template, resource, free))
            if self._growth is not None:
                made = await self._api.send("POST", self._growth.path, self._growth.order(request, launch.metadata(request)))
            await self._decided(request.launch_token)
        except TransientError:
            raise  # it may stand: the caller looks for its token
        except ProviderError:
            # The reason of the refusal is worth more than that of a failed clean-up: what remains carries the token and is swept.
            with contextlib.suppress(ProviderError):
                await self._remove(request.launch_token)
            raise
        return launch.node(made)

    async def find(self, launch_token: str) -> Sequence[CloudNode]:
        """The machine called by the token."""
        return carrying(await self._machines(f"{launch.SELECTOR},{launch.TOKEN_LABEL}={launch_token}"), launch_token)

    async def list_nodes(self) -> Sequence[CloudNode]:
        """Every machine of headrace in this cluster."""
        return await self._machines(launch.SELECTOR)

    async def terminate(self, node: CloudNode) -> None:
        """Remove the pod, its secret and the node that was grown for it; what is gone already is no error."""
        await self._remove(node.provider_node_id)

    async def _machines(self, selector: str) -> tuple[CloudNode, ...]:
        """Pods, or what stands for a node: that is what is paid for, with its pod or without."""
        pods = {row["metadata"]["name"]: row for row in await self._api.objects(self._pods, labelSelector=selector)}
        if self._growth is None:
            return tuple(map(launch.node, pods.values()))
        grown = await self._api.objects(self._growth.path, labelSelector=selector)
        return tuple(launch.node(row, pods.get(row["metadata"]["name"], {})) for row in grown)

    async def _sight(self, stamp: parse.Stamp) -> parse.Sight:
        # Pods first: a node that comes meanwhile is then free, one that goes is not counted.
        pods = await self._api.objects("/api/v1/pods", fieldSelector=LIVING)
        return parse.sight(stamp, await self._api.objects("/api/v1/nodes"), parse.requested(pods))

    async def _room(self, request: LaunchRequest) -> tuple[str, list[str]]:
        """The resource to ask for, and the free nodes of the offer's kind; none are named where one will be grown."""
        offer = request.offer
        if self._growth is not None:
            return ("amd.com/gpu" if offer.instance_type.accelerator.startswith("MI") else "nvidia.com/gpu"), []
        seen = await self._sight(self._stamp())
        place = (offer.instance_type.name, offer.region, offer.zone, offer.capacity_type)
        count = offer.instance_type.accelerator_count
        free = [node for node in seen.nodes if node.free and node.place == place and node.kind.accelerator_count == count]
        if not free:
            raise StockoutError(self._settings.kind, f"no whole {offer.instance_type.name} is free in {offer.zone}")
        return free[0].resource, sorted(node.name for node in free)

    async def _put_secret(self, secret: Mapping[str, Any]) -> None:
        """Create it, or replace the one that an earlier attempt left."""
        try:
            await self._api.send("POST", self._secrets, secret)
        except TransientError as error:
            if error.code != ALREADY_EXISTS:
                raise
            await self._api.send("PUT", f"{self._secrets}/{secret['metadata']['name']}", secret)

    async def _pod(self, pod: Mapping[str, Any]) -> Any:
        """Create it; where a node will be grown for it, one that an earlier attempt left will do."""
        try:
            return await self._api.send("POST", self._pods, pod)
        except TransientError as error:
            if self._growth is None or error.code != ALREADY_EXISTS:
                raise
            return pod

    async def _decided(self, name: str) -> None:
        """Wait until the cluster says yes or no, but not for long: silence is no refusal. Raises StockoutError, QuotaExceededError."""
        path, pause_s = (f"{self._pods}/{name}" if self._growth is None else f"{self._growth.path}/{name}"), 0.2
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DECIDES_S):
                while not self._settled(await self._read(path)):
                    await asyncio.sleep(pause_s)
                    pause_s = min(2.0, pause_s * 2)

    def _settled(self, row: Mapping[str, Any]) -> bool:
        return launch.scheduled(self._settings.kind, row) if self._growth is None else self._growth.check(row)

    async def _read(self, path: str) -> Mapping[str, Any]:
        try:
            found = await self._api.get(path)
        except NotFoundError as error:
            raise StockoutError(self._settings.kind, "the cluster gave the order up: no capacity", error.code) from error
        return found if isinstance(found, Mapping) else {}

    async def _remove(self, name: str) -> None:
        owned = [f"{self._pods}/{name}", f"{self._secrets}/{name}"]
        if self._growth is not None:
            owned.insert(0, f"{self._growth.path}/{name}")
        for path in owned:
            with contextlib.suppress(NotFoundError):
                await self._api.send("DELETE", path)

    def _stamp(self) -> parse.Stamp:
        options = self._settings.options
        return parse.Stamp(
            self._settings.kind,
            self._settings.account,
            self._clock(),
            self._prices,
            region=options.get("region", "cluster"),
            jurisdiction=options.get("jurisdiction", ""),
            tolerated=frozenset(self._tolerated),
            launch_s=60 if self._growth is None else 1500 if self._settings.kind == "coreweave" else 300,
        )

    def _template(self) -> PodTemplate:
        options = self._settings.options
        return PodTemplate(
            self._namespace,
            needed(options, "image", "Name a container image with headrace; a cluster starts nothing without one."),
            self._tolerated,
            {key: options[key] for key in ("cpu", "memory") if options.get(key)},
            options.get("service_account", ""),
            options.get("host_network", "") == "true",
        )


def build(
    settings: ProviderSettings,
    environ: Mapping[str, str],
    clock: Clock,
    pace: Pace,
    *,
    title: str = "Kubernetes",
    listed: tuple[ListPrice, ...] = (),
    grow: str = "none",
) -> Provider:
    """The provider. Options: see FACTS.md.

    Args:
        listed: the vendor's own price list. grow: how the cluster grows where ``options.grow`` does not say.
    """
    growth = growth_of(settings.kind, settings.options.get("grow", grow), settings.options)
    api = KubeApi(settings, table(settings.kind), pace, lambda: access_of(settings.kind, settings, environ))
    adapter = KubernetesProvider(settings, api, prices_of(settings.options, listed), growth, clock)
    abilities = Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.COUNT if growth is None else AvailabilityKind.UNKNOWN,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.KUBERNETES,
        freshness_target_s=60,
    )
    proof = proof_of(settings.kind) if settings.kind != KIND or growth is None else None
    return Provider(settings.name, settings.account, title, abilities, adapter, launcher=adapter, proof=proof)
