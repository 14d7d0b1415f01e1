"""Where one demo runs: its folder, its free ports, its secrets. Two demos beside each other never meet."""

from __future__ import annotations

import secrets
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

CLOUDS = ("aws", "gcp", "azure")
LOOPBACK = "127.0.0.1"


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
    """Choose a folder and free ports. ``port`` 0 takes a free one for the dashboard too."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-"))
    taken = [socket.socket() for _ in range(4)]
    heads = {cluster: _free_pair(index) for index, cluster in enumerate(clusters)}
    for each in taken:
        each.bind((LOOPBACK, 0))
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return Ground(folder, port or ports[0], ports[1], ports[2], ports[3], heads, secrets.token_urlsafe(24), secrets.token_hex(16))


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
    raise OSError("no free ports for a Ray head between 20100 and 31000")


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
        "providers": [*providers, {"name": "snapshot"}],
    }
    ground.config.write_text(yaml.safe_dump(document), encoding="utf-8")
    ground.config.chmod(0o600)
