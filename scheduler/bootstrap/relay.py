"""The relay's process: its settings from those of the control plane, and its eyes, which are Envoy's admin interface."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from scheduler.bootstrap.settings import LOOPBACK, Settings
from scheduler.bootstrap.supervise import ProcessSpec
from scheduler.domain.routing import EdgeRelay
from scheduler.edge.stats import AdminStats, EdgeUnreadableError
from scheduler.relay.serve import Relay, RelaySettings, serve
from scheduler.relay.sight import Seen


def edge_relay(settings: Settings) -> EdgeRelay | None:
    """What the edge is told of the relay, None where none is wanted."""
    return EdgeRelay(f"{LOOPBACK}:{settings.relay_port}", settings.relay_return_port) if settings.relay else None


def build_relay(settings: Settings) -> Relay:
    """The relay beside the Envoy of these settings."""
    stats = AdminStats(settings.edge_admin_port)

    async def look() -> Seen | None:
        try:
            sight = await stats.look()
        except EdgeUnreadableError:
            return None
        return Seen(sight.ready, sight.dead)

    spread = random.Random(settings.relay_port)  # noqa: S311 (chooses among replicas, protects nothing)
    wanted = RelaySettings(
        settings.relay_port, settings.relay_admin_port, settings.relay_return_port, waiting_max=settings.relay_waiting_max
    )
    return Relay(wanted, look, spread)


async def run_relay(settings: Settings) -> None:
    """Serve until told to stop."""
    await serve(build_relay(settings))


def relay_process(settings: Settings, config: Path) -> ProcessSpec:
    """The relay for a supervisor."""
    argv = (sys.executable, "-m", "scheduler.cli", "relay", "--config", str(config))
    return ProcessSpec("relay", "relay", argv, port=settings.relay_port, url=f"http://{LOOPBACK}:{settings.relay_port}")
