"""Machines that are local process trees: started without a shell, found again after a restart, ended as a whole.

Knows processes and nothing of markets, prices or HTTP. A machine is named by its process id *and* start time, because
process ids are used again; its members are its descendants, its session, and everything that inherited its marker.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARKER = "HEADRACE_MACHINE"
"""Environment variable that every process of a machine inherits; finds those that left the tree and the session."""

INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "XDG_RUNTIME_DIR",
             "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")  # fmt: skip
"""What a machine takes over from the market's own environment. Tokens and credentials are not among them."""

KILL_ROUNDS_MAX = 5


@dataclass(frozen=True, slots=True)
class ProcessRef:
    """One process, past and present ones told apart.

    Attributes:
        created_s: start time in seconds since the epoch, as the kernel reports it.
    """

    pid: int
    created_s: float

    def process(self) -> psutil.Process | None:
        """The live process, or None where it ended, is a zombie, or its id was used again."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created_s) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


class MachineRoom:
    """Starts and ends process trees under a state directory."""

    def __init__(self, state_dir: Path, environ: Mapping[str, str]) -> None:
        self._machines_dir = state_dir / "machines"
        self._machines_dir.mkdir(parents=True, exist_ok=True)
        self._environ = {name: environ[name] for name in INHERITED if name in environ}
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def log_path(self, machine: str) -> Path:
        """Where a machine's output goes."""
        return self._machines_dir / f"{machine}.log"

    def start(self, machine: str, argv: Sequence[str], env: Mapping[str, str]) -> ProcessRef:
        """Boot a machine: run ``argv`` in a session of its own, so that it outlives this process.

        Raises:
            OSError: the program cannot be run.
        """
        home = self._machines_dir / machine
        home.mkdir(exist_ok=True)
        with self.log_path(machine).open("ab") as log:
            child = subprocess.Popen(
                list(argv),
                env={**self._environ, **env, MARKER: machine},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[child.pid] = child
        try:
            return ProcessRef(child.pid, psutil.Process(child.pid).create_time())
        except psutil.NoSuchProcess:
            return ProcessRef(child.pid, 0.0)

    def reap(self) -> None:
        """Collect children that ended, so that no zombie keeps their ids."""
        for pid in [pid for pid, child in self._children.items() if child.poll() is not None]:
            del self._children[pid]

    def find_unrecorded(self, machine: str) -> ProcessRef | None:
        """The first process of a machine whose id was never recorded, because the market died while it booted."""
        marked = sorted(self._marked(machine, since_s=0.0), key=lambda process: process.create_time())
        return ProcessRef(marked[0].pid, marked[0].create_time()) if marked else None

    def members(self, machine: str, root: ProcessRef) -> list[psutil.Process]:
        """Every live process of a machine, the root first."""
        found: dict[int, psutil.Process] = {}
        process = root.process()
        if process is not None:
            found[process.pid] = process
            with contextlib.suppress(psutil.NoSuchProcess):
                found.update((child.pid, child) for child in process.children(recursive=True))
        found.update((other.pid, other) for other in self._marked(machine, since_s=root.created_s, session=root.pid))
        return list(found.values())

    def _marked(self, machine: str, *, since_s: float, session: int = 0) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if process.create_time() < since_s - 1.0 or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                in_session = bool(session) and os.getsid(process.pid) == session
                if in_session or process.environ().get(MARKER) == machine:
                    found.append(process)
            except (psutil.Error, OSError):
                continue  # gone meanwhile, or somebody else's
        return found

    def terminate(self, machine: str, root: ProcessRef, grace_s: float) -> None:
        """Shut down as an operating system does: SIGTERM to all, SIGKILL to what is left after ``grace_s``. Blocks."""
        members = self.members(machine, root)
        for process in members:
            _signal(process.terminate)
        psutil.wait_procs(members, timeout=grace_s)
        self.kill(machine, root)

    def kill(self, machine: str, root: ProcessRef) -> None:
        """Pull the plug: SIGKILL to every process, repeated until none is left, as processes may be born meanwhile."""
        for _ in range(KILL_ROUNDS_MAX):
            members = self.members(machine, root)
            if not members:
                break
            for process in members:
                _signal(process.kill)
            psutil.wait_procs(members, timeout=1.0)
            self.reap()


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        send()
