"""Process trees: adopt what children leave behind, tie a child's life to ours, end a whole tree by process id.

Linux only. Knows nothing of Ray, engines or clusters.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterable, Sequence

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, so that a tree kill reaches daemons too."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that forked it ends.

    Raises:
        ProcessLookupError: ``parent`` ended before the request was in place.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError(f"parent process {parent} ended before its child was tied to it")


def descendants(pid: int) -> list[psutil.Process]:
    """All living descendants of ``pid``, nearest first; empty where it is gone."""
    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [process for process in found if alive(process)]


def alive(process: psutil.Process) -> bool:
    """True while it runs; a zombie counts as ended."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(processes: Sequence[psutil.Process], grace_s: float) -> None:
    """Ask the processes and their descendants to end, then kill what is left after ``grace_s`` seconds.

    The tree is read again before the kill, because Ray's helper daemons outlive their parent and ignore SIGTERM.
    """
    doomed = _with_descendants(processes)
    for process in doomed:
        _signal(process, signal.SIGTERM)
    psutil.wait_procs(doomed, timeout=grace_s)
    kill(doomed)


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill the processes and their descendants now, and wait until they are gone."""
    doomed = _with_descendants(processes)
    for process in doomed:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(doomed, timeout=5)


def reap() -> None:
    """Collect adopted children that ended. Call it only where no one else waits for a child of this process."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return


def _with_descendants(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    found: dict[int, psutil.Process] = {}
    for process in processes:
        if alive(process):
            found[process.pid] = process
            found.update((child.pid, child) for child in descendants(process.pid))
    return list(found.values())


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
