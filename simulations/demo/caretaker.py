"""Cleans up after a demo, however that ended: ``python -m simulations.demo.caretaker FOLDER``, with a pipe from the demo as stdin.

The kernel ends the demo's own children with it, but not what those had set free: Ray's daemons and the simulated machines. They
carry the demo's folder in their environment. This process waits until the demo closes the pipe, which ``kill -9`` does too, ends
them and removes the folder. Imports nothing of the product but process trees, because it stays for as long as the demo does.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from scheduler.runtime import tree

PLACES = ("HEADRACE_HEAD_DIR", "HEADRACE_NODE_DIR")
"""Variables that name a folder below the demo's, set for everything that a Ray head or a machine starts."""
ROUNDS_MAX = 20
POSTGRES_S = 5.0
"""How long Postgres, told by the kernel that we are gone, may take to shut down before its folder is removed."""


def hire(folder: Path) -> subprocess.Popen[bytes]:
    """Start the caretaker of ``folder``, in a session of its own, so that Ctrl-C does not reach it. ``dismiss`` it at the end."""
    return subprocess.Popen(
        [sys.executable, "-m", "simulations.demo.caretaker", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def dismiss(caretaker: subprocess.Popen[bytes]) -> None:
    """Close the pipe, and wait until everything is gone."""
    if caretaker.stdin is not None:
        caretaker.stdin.close()
    caretaker.wait()


def clean(folder: Path) -> None:
    """End what belongs to the demo in ``folder``, until nothing is found any more, and remove the folder."""
    for _ in range(ROUNDS_MAX):
        found = belonging(folder)
        if not found:
            break
        tree.kill(found)
    psutil.wait_procs([process for process in psutil.process_iter() if _is_postgres(process, folder)], timeout=POSTGRES_S)
    shutil.rmtree(folder, ignore_errors=True)


def belonging(folder: Path) -> list[psutil.Process]:
    """Living processes whose environment names a place below ``folder``."""
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or somebody else's
        if (
            process.pid != os.getpid()
            and any(Path(environ.get(name, "/")).is_relative_to(folder) for name in PLACES)
            and tree.alive(process)
        ):
            found.append(process)
    return found


def _is_postgres(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.name() == "postgres" and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False


def main() -> None:
    """Wait for the end of the demo, then clean."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    clean(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
