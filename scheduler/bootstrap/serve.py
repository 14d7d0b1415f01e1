"""The control-plane process: API, dashboard, collectors, the loop and the ledger in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import structlog
import uvicorn
from fastapi import FastAPI

from scheduler.api.app import create_app
from scheduler.bootstrap.connect import connect
from scheduler.bootstrap.jobs import rebalance_job
from scheduler.bootstrap.registry import load_providers
from scheduler.bootstrap.settings import LOOPBACK, Settings
from scheduler.bootstrap.wire import ControlPlane, system_clock, wire
from scheduler.dashboard import mount
from scheduler.domain.errors import HeadraceError, InvalidInputError
from scheduler.edge.metering import AccessLogFollower, usage_rows
from scheduler.inventory.pace import LocalPace
from scheduler.ledger import NodeMeter

log = structlog.get_logger(__name__)

LEDGER_EVERY_S = 5.0
NIGHTLY_LOOK_S = 20.0
GRACE_S = 2


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
        providers = load_providers([given.as_settings() for given in settings.providers], os.environ, system_clock, store.pace(LocalPace()))
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
        if plane.xds is not None:
            await plane.xds.start(LOOPBACK, plane.settings.edge_xds_port)
        jobs = [
            asyncio.create_task(plane.loop.run(stop), name="control loop"),
            asyncio.create_task(_collect(plane, stop), name="collectors"),
            asyncio.create_task(_keep_ledger(plane, stop), name="ledger"),
            asyncio.create_task(_run_nightly(plane, stop), name="nightly"),
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
            if plane.xds is not None:
                await plane.xds.stop()

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


async def _run_nightly(plane: ControlPlane, stop: asyncio.Event) -> None:
    """The leader's own ticker for the nightly job, where ``nightly_at`` is set; the run row keeps it to once a date."""
    if not plane.settings.nightly_at:
        return
    hour, minute = (int(part) for part in plane.settings.nightly_at.split(":"))
    job = rebalance_job(plane.store)
    while not stop.is_set():
        await _pause(stop, NIGHTLY_LOOK_S)
        now = plane.clock()
        if plane.loop.epoch and (now.hour, now.minute) == (hour, minute) and not stop.is_set():
            try:
                code, report = await job.run()
                log.info("nightly_ended", code=code, **report)
            except HeadraceError as error:
                log.warning("nightly_failed", error=str(error))


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
