"""Hands an ``EdgeConfig`` to Envoy by moving files into the folder it watches. Each file changes at once or not at all."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog

from scheduler.domain.routing import EdgeConfig
from scheduler.edge.envoy import render
from scheduler.edge.envoy_listener import FrontDoor

log = structlog.get_logger(__name__)


class FilePublisher:
    """Writes the files of one front door. Implements ``domain.ports.EdgePublisher``.

    A new process compares with what lies in the folder, so a restarted control plane that wants the same changes nothing.
    """

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._lock = asyncio.Lock()

    async def publish(self, config: EdgeConfig) -> bool:
        """Put the configuration in place; False where every byte was there already."""
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
        for stale in directory.glob("eds-*.json"):
            if stale.name not in files:
                stale.unlink()
        return changed


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
