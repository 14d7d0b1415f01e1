"""Where one demo runs: its folder, its free ports, its secrets. Two demos beside each other never meet."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from scheduler.domain.errors import HeadraceError, InvalidInputError

CLOUDS = ("aws", "gcp", "azure")
LOOPBACK = "127.0.0.1"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (looked at; Ray writes there)
FREE_BYTES_MIN = 1 << 30
BASE_MAX = 8
"""Longest temp folder whose Ray sockets still fit: /tmp and /var/tmp do."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Attributes: ``folder`` is short, because Unix sockets below it must fit 107 bytes, and removed at the end."""

    folder: Path
    control_port: int
    edge_port: int
    admin_port: int
    market_port: int
    head_ports: Mapping[str, int]
    market_token: str = field(repr=False)
    ray_token: str = field(repr=False)

    @property
    def control_url(self) -> str:
        return f"http://{LOOPBACK}:{self.control_port}"

    @property
    def front_door(self) -> str:
        return f"http://{LOOPBACK}:{self.edge_port}"

    @property
    def market_url(self) -> str:
        return f"http://{LOOPBACK}:{self.market_port}"

    @property
    def market_dir(self) -> Path:
        return self.folder / "market"

    @property
    def config(self) -> Path:
        return self.folder / "headrace.yaml"


def break_ground(clusters: tuple[str, ...], port: int) -> Ground:
    """Choose a folder and free ports. ``port`` 0 takes a free one for the dashboard too.

    Raises:
        InvalidInputError: the port is taken.
        HeadraceError: this machine has no room or no place for a demo; the message says what to change.
    """
    _check_port(port)
    _check_shared_memory()
    heads = {cluster: _free_pair(index) for index, cluster in enumerate(clusters)}
    folder = _make_folder()
    taken = [socket.socket() for _ in range(4)]
    for each in taken:
        each.bind((LOOPBACK, 0))
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return Ground(folder, port or ports[0], ports[1], ports[2], ports[3], heads, secrets.token_urlsafe(24), secrets.token_hex(16))


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            remedy = "Choose another with --port, or none: then a free one is taken."
            raise InvalidInputError("port", port, f"cannot be listened on: {error.strerror}", remedy) from error


def _check_shared_memory() -> None:
    """Ray keeps its object store there, even where, as here, nothing is put into it."""
    if not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        raise HeadraceError(f"{SHARED_MEMORY} is missing or not writable, and Ray needs it. In a container, start it with --shm-size=1g.")


def _make_folder() -> Path:
    try:
        base = tempfile.gettempdir()
        folder = Path(tempfile.mkdtemp(prefix="headrace-", dir=base if len(base) <= BASE_MAX else "/tmp"))  # noqa: S108
        free = shutil.disk_usage(folder).free
        if free >= FREE_BYTES_MIN:
            return folder
        folder.rmdir()
    except OSError as error:
        raise HeadraceError(f"no temporary folder can be made: {error}. Make /tmp writable, or set TMPDIR to a short path.") from error
    lack = f"{folder.parent} has {free >> 20} MiB free and a demo needs {FREE_BYTES_MIN >> 20} MiB"
    raise HeadraceError(f"{lack}. Free some room, or set TMPDIR to a short path.")


def _free_pair(index: int) -> int:
    """A port below the kernel's ephemeral range whose neighbour is free too, as a Ray head needs; outside Ray's worker range."""
    for port in range(20_100 + 700 * index, 31_000, 2):
        try:
            for number in (port, port + 1):
                with socket.socket() as probe:
                    probe.bind(("0.0.0.0", number))  # noqa: S104 (probes only; nothing listens)
        except OSError:
            continue
        return port
    raise HeadraceError("no two free ports in a row for a Ray head between 20100 and 31000. End what listens there.")


def write_config(ground: Ground, dsn: str, python: str) -> None:
    """The control plane's settings file: simulated clouds, and the dated snapshot of list prices beside them."""
    providers: list[dict[str, object]] = [
        {"name": cloud, "kind": "simulated", "account": "simulated", "endpoint": ground.market_url} for cloud in CLOUDS
    ]
    document = {
        "data_dir": str(ground.folder / "data"),
        "database_url": dsn,
        "host": LOOPBACK,
        "port": ground.control_port,
        "edge_dir": str(ground.folder / "edge"),
        "edge_port": ground.edge_port,
        "edge_admin_port": ground.admin_port,
        "optimise_every_s": 30.0,
        "node_python": python,
        "node_dir": str(ground.folder / "n"),
        "providers": [*providers, {"name": "snapshot"}],
    }
    ground.config.write_text(yaml.safe_dump(document), encoding="utf-8")
    ground.config.chmod(0o600)
