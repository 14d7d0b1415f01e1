"""The control-plane process: API, dashboard, collectors, the loop and the ledger in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from scheduler.api.app import create_app
from scheduler.bootstrap.registry import load_providers
from scheduler.bootstrap.settings import Settings
from scheduler.bootstrap.wire import ControlPlane, system_clock, wire
from scheduler.dashboard import mount
from scheduler.domain.errors import HeadraceError, InvalidInputError
from scheduler.edge.metering import AccessLogFollower, usage_rows
from scheduler.ledger import NodeMeter
from scheduler.store import Store, StoreUnavailableError, open_store
from scheduler.store.embedded import EmbeddedPostgres

log = structlog.get_logger(__name__)

STORE_PATIENCE_S = 30.0
LEDGER_EVERY_S = 5.0
GRACE_S = 2


def socket_dir(data_dir: Path) -> Path:
    """A short path for the embedded server's socket, one per data folder and user."""
    name = hashlib.sha256(str(data_dir.absolute()).encode()).hexdigest()[:10]
    return Path("/tmp") / f"headrace-{os.getuid()}-{name}"  # noqa: S108 (created 0700 and checked by the launcher)


def embedded_postgres(settings: Settings) -> EmbeddedPostgres:
    """The embedded server of this data folder."""
    return EmbeddedPostgres(settings.data_dir / "postgres", socket_dir(settings.data_dir))


async def connect(settings: Settings) -> tuple[Store, EmbeddedPostgres | None]:
    """Open the store: the given server, or the embedded one (started if it does not run). Waits while Postgres starts."""
    postgres = None
    dsn = settings.database_url
    if not dsn:
        postgres = embedded_postgres(settings)
        await asyncio.to_thread(postgres.start)
        dsn = postgres.dsn
    waited = 0.0
    while True:
        try:
            return await open_store(dsn), postgres
        except StoreUnavailableError:
            if waited >= STORE_PATIENCE_S:
                raise
            await asyncio.sleep(0.5)
            waited += 0.5


def bind(host: str, port: int) -> socket.socket:
    """Take the port before anything else starts.

    Raises:
        InvalidInputError: it is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        remedy = "Stop what listens there, or choose another with --port (HEADRACE_PORT)."
        raise InvalidInputError("port", port, f"cannot listen on {host}: {error.strerror}", remedy) from error
    return listening


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    listening = bind(settings.host, settings.port)
    store, postgres = await connect(settings)
    try:
        installation = await store.installation()
        providers = load_providers([given.as_settings() for given in settings.providers], os.environ, system_clock)
        plane = wire(settings, store, providers, os.environ, system_clock, installation)
        app = build_app(plane)
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=GRACE_S, ws="none")
        server = uvicorn.Server(config)
        log.info("control_plane_started", url=settings.url, front_door=plane.services.settings.front_door)
        await server.serve(sockets=[listening])
    finally:
        await store.close()
        if postgres is not None:
            await asyncio.to_thread(postgres.stop)


def build_app(plane: ControlPlane) -> FastAPI:
    """The web application; its lifespan runs everything beside it."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        stop = asyncio.Event()
        jobs = [
            asyncio.create_task(plane.loop.run(stop), name="control loop"),
            asyncio.create_task(_collect(plane, stop), name="collectors"),
            asyncio.create_task(_keep_ledger(plane, stop), name="ledger"),
        ]
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait(jobs, timeout=5)
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await plane.edge.close()

    app = create_app(plane.services, lifespan)
    mount(app)
    return app


async def _collect(plane: ControlPlane, stop: asyncio.Event) -> None:
    """Only the leader reads the clouds; its successor takes over within a second."""
    while not stop.is_set():
        if not plane.loop.epoch:
            await _pause(stop, 0.2)
            continue
        done = asyncio.Event()
        readers = [asyncio.create_task(collector.run(done)) for collector in plane.collectors]
        while plane.loop.epoch and not stop.is_set():
            await _pause(stop, 0.5)
        done.set()
        await asyncio.wait(readers, timeout=2) if readers else None
        for reader in readers:
            reader.cancel()


async def _keep_ledger(plane: ControlPlane, stop: asyncio.Event) -> None:
    """Bill node time and metered tokens; a failed write is repeated with the next one."""
    now = plane.clock()
    minute = now.replace(second=0, microsecond=0)
    meter = NodeMeter(await plane.store.usage.nodes(minute, now), now)
    follower = AccessLogFollower(plane.door.access_log, plane.settings.edge_folder / "metered.json")
    while not stop.is_set():
        await _pause(stop, LEDGER_EVERY_S)
        if plane.loop.epoch:
            try:
                await _bill(plane, meter, follower)
            except HeadraceError as error:
                log.warning("ledger_not_written", error=str(error))


async def _bill(plane: ControlPlane, meter: NodeMeter, follower: AccessLogFollower) -> None:
    fleet, workload = await plane.store.fleet.fleet(), await plane.store.workload.workload()
    shares = {shape.id: shape.accelerators_per_node for shape in workload.shapes}
    rows = meter.sample(fleet.nodes, fleet.replicas, shares, plane.clock())
    if rows:
        await plane.store.usage.put_nodes(rows)
    metered = await asyncio.to_thread(follower.read)
    if metered:
        tenants = {deployment.id: deployment.tenant for deployment in workload.deployments}
        await plane.store.usage.add_tokens(usage_rows(metered, tenants))
        await asyncio.to_thread(follower.commit)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
