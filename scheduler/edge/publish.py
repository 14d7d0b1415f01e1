"""Hands an ``EdgeConfig`` to Envoy by moving files into the folder it watches. Each file changes at once or not at all."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog

from scheduler.domain.routing import EdgeConfig
from scheduler.edge.envoy import render
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.envoy_relay import RETURN_ROUTES

log = structlog.get_logger(__name__)

WATCHES = Path("/proc/sys/fs/inotify/max_user_instances")
"""Envoy takes one for each file it watches, and ends itself where it gets none."""
OTHER_WATCHES = 16
"""Of these, for other files and for other programs of this user."""
REMEDY = "The table stays as it was. Tell front doors over xDS (edge_xds_port), or raise fs.inotify.max_user_instances."


class FilePublisher:
    """Writes the files of one front door. Implements ``domain.ports.EdgePublisher``.

    A new process compares with what lies in the folder, so a restarted control plane that wants the same changes nothing.
    """

    def __init__(self, door: FrontDoor, deployments_max: int | None = None) -> None:
        """``deployments_max``: most that Envoy can watch files for; what the kernel allows where it is left out."""
        self._door = door
        self._lock = asyncio.Lock()
        self._most = deployments_max if deployments_max is not None else _watches() - OTHER_WATCHES
        self._refused = 0

    async def publish(self, config: EdgeConfig) -> bool:
        """Put the configuration in place; False where every byte was there already, or where it would end Envoy."""
        if len(config.backends) > self._most:
            if self._refused != len(config.backends):
                self._refused = len(config.backends)
                log.error("edge_table_refused", deployments=self._refused, deployments_max=self._most, remedy=REMEDY)
            return False
        self._refused = 0
        files = render(config, self._door)
        async with self._lock:
            changed = await asyncio.to_thread(self._put, files)
        if changed:
            log.info("edge_published", files=changed, routes=len(config.routes), backends=len(config.backends))
        return bool(changed)

    def _put(self, files: dict[str, bytes]) -> list[str]:
        directory = self._door.directory
        directory.mkdir(parents=True, exist_ok=True)
        changed = [name for name, content in files.items() if _read(directory / name) != content]
        for name in changed:
            # The draft lies on the same file system and outside the watched folder's names that Envoy reads.
            draft = directory / f".{name}.new"
            draft.write_bytes(files[name])
            os.replace(draft, directory / name)
        for stale in (*directory.glob("eds-*.json"), directory / RETURN_ROUTES):
            if stale.name not in files:
                stale.unlink(missing_ok=True)
        return changed


def _watches() -> int:
    try:
        return int(WATCHES.read_text())
    except (OSError, ValueError):
        return 1 << 20  # a system without that limit


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
