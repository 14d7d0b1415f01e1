"""A small supervisor for one machine: starts processes in order, restarts what dies, and leaves nothing behind.

Used by the demo and by ``headrace serve --all``; in production systemd or Kubernetes does this. Children are tied to this
process by the kernel, so even ``kill -9`` of the supervisor ends them.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from scheduler.bootstrap.roster import Roster, RosterEntry, own_creation, remove_roster, write_roster
from scheduler.domain.errors import HeadraceError
from scheduler.runtime.tied import tied_command
from scheduler.runtime.tree import adopt_orphans, descendants, end

log = structlog.get_logger(__name__)

RESTART_WAITS_S = (0.2, 0.5, 1, 2, 5, 10)
STEADY_S = 30.0
"""A process that ran this long starts its restart waits anew."""


class ProcessFailedError(HeadraceError):
    """A process ended before it was ready; the message ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run.

    Attributes:
        ready: returns True once the process does its work; asked until ``ready_within_s`` is over.
        stop_signal: asks it to end politely. tied: the kernel ends it with us (not for Postgres, which must shut down cleanly).
    """

    role: str
    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    url: str = ""
    ready: Callable[[], Awaitable[bool]] | None = None
    ready_within_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within_s: float = 8.0
    tied: bool = True


class Supervisor:
    """Runs processes until told to stop. Reports them in the roster."""

    def __init__(self, run_dir: Path, log_dir: Path) -> None:
        self._run_dir, self._log_dir = run_dir, log_dir
        self._specs: dict[str, ProcessSpec] = {}
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._restarts: dict[str, int] = {}
        self._stopping = False
        self._created = own_creation()
        self.control_url = ""
        self.front_door = ""
        adopt_orphans()

    async def start(self, spec: ProcessSpec) -> None:
        """Start and wait until it is ready.

        Raises:
            ProcessFailedError: it ended, or was not ready in time.
        """
        self._specs[spec.name] = spec
        await self._spawn(spec)
        self._watchers[spec.name] = asyncio.create_task(self._watch(spec), name=f"watch {spec.name}")
        await self._await_ready(spec)

    def pid(self, name: str) -> int:
        """Process id, 0 while it is not running."""
        process = self._running.get(name)
        return process.pid if process is not None and process.returncode is None else 0

    async def stop(self, spare: Collection[int] = ()) -> None:
        """End everything at once, what must shut down cleanly (Postgres) after its clients, then what is left of our tree.

        Args:
            spare: ids of processes below us that are somebody else's to end.
        """
        self._stopping = True
        for watcher in self._watchers.values():
            watcher.cancel()
        for tied in (True, False):
            await asyncio.gather(*(self._end(spec) for spec in self._specs.values() if spec.tied is tied))
        leftovers = [process for process in descendants(os.getpid()) if process.pid not in spare]
        if leftovers:
            await asyncio.to_thread(end, leftovers, 2.0)
        remove_roster(self._run_dir, os.getpid())

    async def _spawn(self, spec: ProcessSpec) -> None:
        self._log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        argv = tied_command(spec.argv, os.getpid()) if spec.tied else list(spec.argv)
        with self._log_path(spec).open("ab") as output:
            self._running[spec.name] = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **spec.env}
            )
        log.info("process_started", role=spec.role, name=spec.name, pid=self._running[spec.name].pid)
        self.report()

    async def _watch(self, spec: ProcessSpec) -> None:
        loop = asyncio.get_running_loop()
        quick = 0
        while not self._stopping:
            began = loop.time()
            code = await self._running[spec.name].wait()
            if self._stopping:
                return
            quick = 0 if loop.time() - began > STEADY_S else quick + 1
            wait_s = RESTART_WAITS_S[min(quick, len(RESTART_WAITS_S)) - 1] if quick else RESTART_WAITS_S[0]
            log.warning("process_ended", role=spec.role, name=spec.name, code=code, restart_in_s=wait_s)
            self.report()
            await asyncio.sleep(wait_s)
            self._restarts[spec.name] = self._restarts.get(spec.name, 0) + 1
            await self._spawn(spec)

    async def _await_ready(self, spec: ProcessSpec) -> None:
        if spec.ready is None:
            return
        loop = asyncio.get_running_loop()
        until = loop.time() + spec.ready_within_s
        while loop.time() < until:
            if await spec.ready():
                return
            if self._restarts.get(spec.name, 0) >= 3:
                raise ProcessFailedError(f"{spec.role} {spec.name} keeps ending: {self._tail(spec)}")
            await asyncio.sleep(0.05)
        raise ProcessFailedError(f"{spec.role} {spec.name} was not ready within {spec.ready_within_s:.0f} s: {self._tail(spec)}")

    async def _end(self, spec: ProcessSpec) -> None:
        process = self._running.get(spec.name)
        if process is None or process.returncode is not None:
            return
        try:
            tree = [psutil.Process(process.pid)]
        except psutil.NoSuchProcess:
            return
        process.send_signal(spec.stop_signal)
        try:
            await asyncio.wait_for(process.wait(), spec.stop_within_s)
        except TimeoutError:
            await asyncio.to_thread(end, tree, 1.0)
        log.info("process_stopped", role=spec.role, name=spec.name, pid=process.pid)

    def report(self) -> None:
        """Write the roster."""
        entries = tuple(
            RosterEntry(spec.role, name, self.pid(name), spec.port, spec.url, self._restarts.get(name, 0))
            for name, spec in self._specs.items()
        )
        write_roster(self._run_dir, Roster(os.getpid(), self._created, self.control_url, self.front_door, entries))

    def _log_path(self, spec: ProcessSpec) -> Path:
        return self._log_dir / f"{spec.name}.log"

    def _tail(self, spec: ProcessSpec) -> str:
        try:
            lines = self._log_path(spec).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return " / ".join(lines[-5:]) or "it printed nothing"
