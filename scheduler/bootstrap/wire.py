"""Wires the control plane: stores, providers, the loop, the edge, the API. Every part meets the others only here."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from scheduler.api.auth import new_key
from scheduler.api.services import ApiSettings, Services
from scheduler.bootstrap.edge import admission_source, front_door, load_secret
from scheduler.bootstrap.relay import edge_relay
from scheduler.bootstrap.settings import Settings
from scheduler.control import ControlLoop, LoopSettings, LoopStores, World
from scheduler.control.desk import Desk
from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.errors import ProviderDataError, TransientError
from scheduler.domain.fleet import Cluster, Node
from scheduler.domain.ports import Clock, EdgePublisher, LaunchRequest, Provider
from scheduler.domain.routing import EdgeConfig, EdgeRelay
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.stores import Fleet, OfferFilter, Workload
from scheduler.domain.workload import Deployment, EngineShape, Model
from scheduler.edge.admission import Publishers
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.publish import FilePublisher
from scheduler.edge.signing import load_signer
from scheduler.edge.stats import AdminStats, EdgeUnreadableError
from scheduler.edge.table import build_edge_config
from scheduler.edge.xds import XdsServer
from scheduler.inventory.assemble import Sources, assemble
from scheduler.inventory.collect import Collector
from scheduler.inventory.notices import NoticeReader
from scheduler.reconciler import Executor, ReconcileSettings
from scheduler.runtime.backends import BACKENDS
from scheduler.runtime.join import Membership, join_request
from scheduler.runtime.watcher import MetadataKind
from scheduler.store import Store


def system_clock() -> datetime:
    """The one place where this process asks for the time."""
    return datetime.now(tz=UTC)  # noqa: TID251


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The wired parts of one control-plane process."""

    settings: Settings
    store: Store
    loop: ControlLoop
    collectors: tuple[Collector | NoticeReader, ...]
    services: Services
    door: FrontDoor
    edge: EdgeStats
    clock: Clock
    xds: XdsServer | None = None


class EdgeStats:
    """What Envoy sees; unknown, not idle, where it cannot be asked."""

    def __init__(self, admin_port: int) -> None:
        self._admin = AdminStats(admin_port)

    async def look(self) -> tuple[Mapping[str, int], frozenset[str] | None]:
        try:
            seen = await self._admin.look()
        except EdgeUnreadableError:
            return {}, None
        return seen.in_flight, seen.healthy

    async def close(self) -> None:
        await self._admin.close()


class Describer:
    """Builds launch requests: the offer as it is now, and a startup script with a token of the node's own."""

    def __init__(self, store: Store, settings: Settings, environ: Mapping[str, str], clock: Clock) -> None:
        self._store, self._settings, self._environ, self._clock = store, settings, environ, clock

    async def __call__(self, node: Node) -> LaunchRequest:
        """Raises TransientError where the cluster's agent has not reported, ProviderDataError where the offer is gone."""
        provider, _, region = node.offer_id.split("/")[:3]
        observed = {state.cluster: state for state, _ in await self._store.agents.observations()}
        if node.cluster not in observed or not observed[node.cluster].ray_address:
            raise TransientError(provider, f"cluster {node.cluster} has not told where its Ray head is")
        offers, _ = await self._store.offers.list_offers(OfferFilter(provider=provider, region=region, limit=1_000_000))
        offer = next((each for each in offers if each.id == node.offer_id), None)
        if offer is None:
            raise ProviderDataError(provider, f"offer {node.offer_id} is no longer listed")
        secret, key = new_key("node", node.cluster, self._clock())
        await self._store.keys.put_key(key)
        membership = Membership(
            cluster=node.cluster,
            ray_address=observed[node.cluster].ray_address,
            control_url=self._settings.url,
            token=secret,
            ray_token=self._environ.get("HEADRACE_RAY_TOKEN", ""),
            node_dir=self._settings.node_dir,
        )
        kinds = {kind.value: kind for kind in MetadataKind}
        join = join_request(
            membership,
            node=node.id,
            accelerators=node.instance_type.accelerator_count,
            metadata=kinds.get(provider, MetadataKind.NONE),
            **({"python": self._settings.node_python} if self._settings.node_python else {}),
        )
        return LaunchRequest(node.id, node.cluster, node.launch_token, offer, join.user_data, join.argv, join.env)


def launch_of(deployment: Deployment, model: Model, shape: EngineShape) -> EngineLaunch:
    """How an engine is started for a deployment."""
    return BACKENDS[shape.engine].launch(deployment, model, shape)


def route(fleet: Fleet, workload: Workload, relay: EdgeRelay | None = None) -> EdgeConfig:
    """The edge table of the present fleet."""
    return build_edge_config(fleet.replicas, fleet.clusters, workload.deployments, workload.aliases, relay=relay)


def wire(
    settings: Settings, store: Store, providers: list[Provider], environ: Mapping[str, str], clock: Clock, installation: str
) -> ControlPlane:
    """Put one control plane together. ``installation`` tells this headrace's machines from those of others in an account."""
    sources = Sources(store.offers, store.evidence, store.workload, store.fleet)

    async def snapshot(now: datetime, joining: Sequence[Cluster] = ()) -> Snapshot:
        return await assemble(sources, now, joining=joining)

    door = front_door(settings)
    launchers = {(p.name, p.account): p.launcher for p in providers if p.launcher is not None}
    edge = EdgeStats(settings.edge_admin_port)
    # The loop is made below; until then this process leads nobody.
    led: list[ControlLoop] = []
    xds = (
        XdsServer(door, lambda: led[0].epoch if led else 0, load_secret(settings.front_doors_token_file))
        if settings.edge_xds_port
        else None
    )
    publishers: list[EdgePublisher] = [FilePublisher(door), *([xds] if xds else [])]
    world = World(
        snapshot=snapshot,
        workload=store.workload.workload,
        launch=launch_of,
        route=partial(route, relay=edge_relay(settings)),
        executor=Executor(launchers, Describer(store, settings, environ, clock)),
        publisher=Publishers(admission_source(settings, store.keys, clock), publishers),
        edge=edge,
    )
    loop_settings = LoopSettings(
        holder=settings.holder,
        tick_s=settings.tick_s,
        lease_ttl_s=settings.lease_ttl_s,
        optimise_every_s=settings.optimise_every_s,
        automatic=settings.automatic,
        reconcile=ReconcileSettings(drain_timeout_s=settings.drain_timeout_s, token_prefix=f"headrace-{installation}-"),
    )
    stores = LoopStores(store.fleet, store.agents, store.plans, store.evidence, store.events, store.leases)
    loop = ControlLoop(loop_settings, stores, world, clock)
    led.append(loop)
    spread = random.Random(installation)  # noqa: S311 (spreads polls, protects nothing)
    collectors = [Collector(p, store.offers, store.events, clock, jitter=random.Random(spread.random())) for p in providers]  # noqa: S311
    readers = [NoticeReader(p, p.notices, store.fleet, store.agents, clock) for p in providers if p.notices is not None]
    services = Services(
        stores=store,
        snapshot=snapshot,
        clock=clock,
        epoch=lambda: loop.epoch,
        desk=Desk(lambda: loop.solved),
        settings=ApiSettings(
            open_on_loopback=settings.on_loopback and not settings.require_keys,
            lease_s=settings.agent_lease_s,
            front_door=f"{'https' if door.certificate else 'http'}://{settings.edge_host}:{settings.edge_port}",
        ),
        sign_client=load_signer(settings.signing_key_file).sign,
        facts={"role": "control plane", "version": version("headrace"), "python": sys.version.split()[0], "holder": settings.holder},
    )
    return ControlPlane(settings, store, loop, (*collectors, *readers), services, door, edge, clock, xds)
