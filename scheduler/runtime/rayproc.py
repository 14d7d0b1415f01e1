"""Supervise what ``ray start`` leaves running, for a head and for a node alike. Starts Ray's command, never imports Ray.

``ray start --block`` would stay as a process of 125 MB beside every raylet. Instead the supervisor adopts the daemons
that a plain ``ray start`` leaves behind (it is their subreaper), drops those that this product has no use for, and
watches the rest. A dead GCS is started again with its own command line, which takes a second and keeps raylets, drivers
and detached actors; anything else that dies ends the group, and the group is started anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog

from scheduler.runtime import tree
from scheduler.runtime.tied import tied_command

log = structlog.get_logger(__name__)

GCS = "gcs_server"
RAYLET = "raylet"
_UNUSED = ("ray/dashboard/dashboard.py", "ray.util.client.server")
"""Started by every head, used by nothing here: 73 and 60 MB."""
_START_TIMEOUT_S = 90
_POLL_S = 0.5
_GRACE_S = 3.0
_RECORD = "supervised.json"


def ray_start_command() -> list[str]:
    """Ray's own command line, run by this interpreter; its options follow."""
    return [sys.executable, "-m", "scheduler.runtime.raystart"]


def ray_environment(token: str) -> dict[str, str]:
    """Variables that keep Ray small and explicit.

    Args:
        token: secret of the cluster. Ray's ports listen on every interface, so everything but a closed loopback demo
            should set one; "" switches authentication off.
    """
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_enable_metrics_collection": "0",
        "RAY_enable_worker_prestart": "0",
        "RAY_prestart_worker_first_driver": "0",
        # Under `uv run`, Ray would start every worker with `uv run` again, in a copy of the working directory.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        # A worker outlives an unreachable GCS this long; the default of 60 s would take the engines down with it.
        "RAY_gcs_rpc_server_reconnect_timeout_s": "300",
        # A vanished node is noticed within about 5 s; Ray's own defaults take up to a minute.
        "RAY_health_check_period_ms": "1000",
        "RAY_health_check_timeout_ms": "2000",
        "RAY_health_check_failure_threshold": "3",
        # Ray's own 15 starves an engine on a busy host until its health checks fail; a little keeps Ray itself responsive.
        "RAY_worker_niceness": "5",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "RAY_AUTH_MODE": "token" if token else "disabled",
    }
    if token:
        settings["RAY_AUTH_TOKEN"] = token
    return settings


@dataclass(frozen=True, slots=True)
class RayGroup:
    """One ``ray start`` and the daemons it leaves.

    Attributes:
        argv: the start command. env: the whole environment, never logged.
        directory: holds Ray's temp folder and the record of what runs.
        required: process names without which the group is dead.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    directory: Path
    required: tuple[str, ...]


class RaySupervisor:
    """Keeps one group running until it is told to stop. The process must be its descendants' only waiter."""

    def __init__(self, group: RayGroup) -> None:
        self._group = group
        self._members: dict[str, psutil.Process] = {}
        self._commands: dict[str, list[str]] = {}
        self._stopping = asyncio.Event()
        self.starts = 0

    def stop(self) -> None:
        """Ask ``run`` to end."""
        self._stopping.set()

    async def run(self) -> None:
        """Start the group and keep it up; ends the whole tree before it returns."""
        tree.adopt_orphans()
        await asyncio.to_thread(self._sweep)
        backoff_s = 1.0
        try:
            while not self._stopping.is_set():
                if await self._start():
                    backoff_s = 1.0
                    await self._watch()
                if not self._stopping.is_set():
                    await self._pause(backoff_s)
                    backoff_s = min(backoff_s * 2, 30.0)
        finally:
            await asyncio.to_thread(self._end)

    async def _start(self) -> bool:
        await asyncio.to_thread(self._end)
        # Ray refuses to start where this file names an address that some process on the host still seems to hold.
        (self._group.directory / "t" / "ray_current_cluster").unlink(missing_ok=True)
        starter = await asyncio.create_subprocess_exec(
            *tied_command(self._group.argv, os.getpid()),
            env=dict(self._group.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output = await self._finish(starter)
        self._adopt()
        missing = [name for name in self._group.required if name not in self._members]
        if starter.returncode != 0 or missing:
            log.warning("ray_start_failed", group=self._group.name, code=starter.returncode, missing=missing, output=output[-600:])
            return False
        await asyncio.to_thread(self._trim)
        self._remember()
        self.starts += 1
        log.info("ray_started", group=self._group.name, starts=self.starts, pids={k: p.pid for k, p in self._members.items()})
        return True

    async def _finish(self, starter: asyncio.subprocess.Process) -> str:
        """Wait for the start command, a stop, or the deadline; return what it said."""
        talk = asyncio.ensure_future(starter.communicate())
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({talk, stop}, timeout=_START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not talk.done():
            starter.kill()
        output, _ = await talk
        return output.decode(errors="replace")

    def _adopt(self) -> None:
        self._members.clear()
        for process in psutil.Process().children():
            if tree.alive(process) and process.name() in (GCS, RAYLET):
                self._members[process.name()] = process
                self._commands[process.name()] = process.cmdline()

    def _trim(self) -> None:
        unused = [p for p in psutil.Process().children() if tree.alive(p) and any(mark in " ".join(p.cmdline()) for mark in _UNUSED)]
        tree.kill(unused)

    async def _watch(self) -> None:
        while not await self._pause(_POLL_S):
            dead = [name for name, process in self._members.items() if not tree.alive(process)]
            if dead == [GCS]:
                await self._restart_gcs()
            elif dead:
                log.warning("ray_died", group=self._group.name, dead=dead)
                return
            _reap_strangers()

    async def _restart_gcs(self) -> None:
        """Start the same GCS on the same storage; raylets, drivers and actors reconnect to it."""
        log.warning("gcs_died", group=self._group.name, pid=self._members[GCS].pid)
        process = subprocess.Popen(  # noqa: ASYNC220 - outlives this call; forking takes milliseconds
            self._commands[GCS], env=dict(self._group.env), stdin=subprocess.DEVNULL
        )
        self._members[GCS] = psutil.Process(process.pid)
        self._remember()
        log.info("gcs_restarted", group=self._group.name, pid=process.pid)
        await self._pause(_POLL_S)

    async def _pause(self, seconds: float) -> bool:
        """Wait; True where a stop was asked for meanwhile."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _end(self) -> None:
        tree.end(psutil.Process().children(), _GRACE_S)
        self._members.clear()
        tree.reap()
        (self._group.directory / _RECORD).unlink(missing_ok=True)

    def _remember(self) -> None:
        """Record what runs, so that a supervisor that was killed leaves no Ray for its successor to trip over."""
        rows = [[process.pid, process.create_time()] for process in self._members.values()]
        (self._group.directory / _RECORD).write_text(json.dumps(rows))

    def _sweep(self) -> None:
        """End what a predecessor left. The creation time guards against a process id that was used again."""
        record = self._group.directory / _RECORD
        if not record.exists():
            return
        for pid, created in json.loads(record.read_text()):
            if psutil.pid_exists(pid) and (process := psutil.Process(pid)).create_time() == created:
                log.info("orphan_swept", group=self._group.name, pid=pid)
                tree.kill([process])
        record.unlink(missing_ok=True)


def _reap_strangers() -> None:
    """Collect adopted zombies: Ray's helpers end long after the process that started them."""
    for process in psutil.Process().children():
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(process.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            continue


async def run_until_signalled(supervisor: RaySupervisor) -> None:
    """Run the supervisor until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run()


def prepare(directory: Path, parts: Sequence[str]) -> None:
    """Create the folders of a group, readable by their owner only."""
    # Ray opens its own folder to everybody, so the one around it must be closed.
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for part in parts:
        (directory / part).mkdir(parents=True, exist_ok=True, mode=0o700)
