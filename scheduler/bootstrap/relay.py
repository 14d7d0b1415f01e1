"""The relay's process: its settings from those of the control plane, and its eyes, which are Envoy's admin interface."""

from __future__ import annotations

import random

from scheduler.bootstrap.settings import LOOPBACK, Settings
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
