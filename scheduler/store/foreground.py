"""The command line that runs the embedded Postgres in the foreground. Imports little, so that a killed server is back soon."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scheduler.store.errors import DataDirectoryInUseError, EmbeddedPostgresError
from scheduler.store.postmaster import LOCK_WAIT_S, Launch, become_postmaster

EXIT_IN_USE = 75
EXIT_UNUSABLE = 78


def main(argv: Sequence[str] | None = None) -> int:
    """Become the postmaster. Returns only on failure: 75 where the data directory is in use, 78 where it cannot work."""
    parser = argparse.ArgumentParser(prog="python -m scheduler.store.embedded", description="Run Postgres on a private Unix socket.")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--socket-dir", type=Path, required=True, help="a short path: the socket's is limited to about 100 bytes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a Postgres setting; may be repeated")
    parser.add_argument("--unprivileged", action="store_true", help="as root, do not try a user namespace")
    parser.add_argument("--die-with-parent", action="store_true", help="shut down when the starting thread ends")
    parser.add_argument("--wait", type=float, default=LOCK_WAIT_S, metavar="SECONDS", help="how long a data directory may still be in use")
    parser.add_argument("--failure-fd", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    settings = dict(pair.split("=", 1) for pair in given.set if "=" in pair)
    launch = Launch(given.data_dir.absolute(), given.socket_dir.absolute(), settings, given.unprivileged, given.die_with_parent, given.wait)
    if given.failure_fd is not None:
        os.set_inheritable(given.failure_fd, False)
    try:
        become_postmaster(launch, os.environ)
    except EmbeddedPostgresError as error:
        message, status = str(error), EXIT_IN_USE if isinstance(error, DataDirectoryInUseError) else EXIT_UNUSABLE
    except OSError as error:
        message, status = f"Postgres cannot be started: {error}", EXIT_UNUSABLE
    print(message, file=sys.stderr)
    if given.failure_fd is not None:
        os.write(given.failure_fd, message.encode())
    return status


if __name__ == "__main__":
    sys.exit(main())
