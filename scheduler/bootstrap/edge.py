"""Envoy's process: the files it needs at its first start, and the command."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.bootstrap.settings import Settings
from scheduler.domain.routing import EdgeConfig
from scheduler.edge.envoy import BOOTSTRAP, FrontDoor, render
from scheduler.edge.process import envoy_command


def prepare_edge(settings: Settings, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of Envoy.

    Where the control plane has written nothing yet, an empty table is put in place, so that the order of starting does not
    matter: until there are routes every model is unknown, told in OpenAI's error shape.
    """
    folder = settings.edge_folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    door = FrontDoor(folder, settings.edge_port, settings.edge_admin_port, folder / "access.log", settings.edge_host)
    if not (folder / BOOTSTRAP).exists():
        for name, content in render(EdgeConfig(), door).items():
            if not (folder / name).exists():
                (folder / name).write_bytes(content)
    return envoy_command(folder, environ)
