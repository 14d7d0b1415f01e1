"""A trimmed Ray head: its command line, and the process that keeps it up (``python -m scheduler.runtime.head``).

Without Ray's dashboard, log monitor, autoscaler and client server, a head takes about 0.2 GiB. Its GCS keeps its tables
in RocksDB under ``directory``: a head that was killed comes back with the same nodes and detached actors.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scheduler.domain.errors import InvalidInputError
from scheduler.runtime.rayproc import GCS, RAYLET, RayGroup, RaySupervisor, prepare, ray_environment, ray_start_command, run_until_signalled

_SOCKET_PATH_MAX = 107
_SOCKET_SUFFIX = len("/t/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store.1")
OBJECT_STORE_BYTES = 80_000_000
"""Ray's least object store is 75 MB; nothing here passes objects through it."""


@dataclass(frozen=True, slots=True)
class HeadSettings:
    """One cluster's head.

    Attributes:
        directory: short path, private to this head; survives restarts.
        port: GCS port; ``port + 1`` must be free as well. Distinct per cluster on one host, outside 10002-19999.
        node_ip: address that nodes and the agent use. Ray rewrites 127.0.0.1 to a public address, 127.0.0.2 it keeps.
        token: secret of the cluster, "" for none.
    """

    cluster: str
    directory: Path
    port: int
    node_ip: str = "127.0.0.2"
    token: str = ""

    @property
    def address(self) -> str:
        """What nodes and the agent connect to."""
        return f"{self.node_ip}:{self.port}"


def head_command(settings: HeadSettings) -> tuple[list[str], dict[str, str]]:
    """The command and the extra environment of one head.

    Raises:
        InvalidInputError: the directory's path is too long for the sockets that Ray puts below it.
    """
    check_directory(settings.directory)
    argv = [
        *ray_start_command(),
        "--head",
        f"--port={settings.port}",
        f"--node-ip-address={settings.node_ip}",
        f"--temp-dir={settings.directory / 't'}",
        "--num-cpus=1",
        "--num-gpus=0",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
        "--include-dashboard=false",
        "--include-log-monitor=false",
        "--disable-usage-stats",
        "--no-monitor",
        # Ray can't be told to leave its client server out where grpcio is installed; it gets a port, and is then dropped.
        f"--ray-client-server-port={settings.port + 1}",
        "--min-worker-port=0",
        "--max-worker-port=0",
    ]
    env = {
        **ray_environment(settings.token),
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": str(settings.directory / "gcs"),
    }
    return argv, env


def check_directory(directory: Path) -> None:
    """Refuse a directory under which Ray's socket paths would exceed what the kernel allows.

    Raises:
        InvalidInputError: the path is too long.
    """
    longest = _SOCKET_PATH_MAX - _SOCKET_SUFFIX
    if len(str(directory)) > longest:
        raise InvalidInputError(
            "directory", str(directory), "too long for Ray's socket paths", f"Use a path of at most {longest} characters."
        )


def head_environment(settings: HeadSettings) -> dict[str, str]:
    """Variables for ``python -m scheduler.runtime.head``."""
    return {
        "HEADRACE_CLUSTER": settings.cluster,
        "HEADRACE_HEAD_DIR": str(settings.directory),
        "HEADRACE_HEAD_PORT": str(settings.port),
        "HEADRACE_HEAD_IP": settings.node_ip,
        "HEADRACE_RAY_TOKEN": settings.token,
    }


def head_settings(environ: Mapping[str, str]) -> HeadSettings:
    """Read the settings back.

    Raises:
        InvalidInputError: a variable is missing or is not a port.
    """
    port = environ.get("HEADRACE_HEAD_PORT", "")
    if not port.isdigit():
        raise InvalidInputError("HEADRACE_HEAD_PORT", port, "not a port", "Set it to the port of the cluster's GCS.")
    for name in ("HEADRACE_CLUSTER", "HEADRACE_HEAD_DIR"):
        if not environ.get(name):
            raise InvalidInputError(name, "", "missing", "The head is started with it.")
    return HeadSettings(
        cluster=environ["HEADRACE_CLUSTER"],
        directory=Path(environ["HEADRACE_HEAD_DIR"]),
        port=int(port),
        node_ip=environ.get("HEADRACE_HEAD_IP", "127.0.0.2"),
        token=environ.get("HEADRACE_RAY_TOKEN", ""),
    )


async def run_head(settings: HeadSettings) -> None:
    """Keep the head up until SIGTERM; then end all of it."""
    argv, env = head_command(settings)
    prepare(settings.directory, ("t", "gcs"))
    group = RayGroup(
        name=f"head:{settings.cluster}",
        argv=tuple(argv),
        env={**os.environ, **env},
        directory=settings.directory,
        required=(GCS, RAYLET),
    )
    await run_until_signalled(RaySupervisor(group))


if __name__ == "__main__":
    asyncio.run(run_head(head_settings(os.environ)))
