"""Crusoe Cloud: on-demand GPU machines at dated list prices, live stock counted in machines, launches with a startup script."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, READ, REGIONS, TIMEOUT, option, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    variable("CRUSOE_ACCESS_KEY_ID", "access key", READ),
    variable("CRUSOE_SECRET_KEY", "its secret", READ),
    option("project", "id of the project", READ),
    REGIONS,
    option("ssh_public_key", "Crusoe launches nothing without one", LAUNCH),
    option("image", "image of the machines; Crusoe's own for GPUs without it"),
    option("subnet", "id of the machines' subnet"),
    option("usd_per_gpu_h_<gpu type>", "agreed price of a GPU type, such as usd_per_gpu_h_B200-SXM-180GB"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Crusoe project. Keys are read from CRUSOE_ACCESS_KEY_ID and CRUSOE_SECRET_KEY; see FACTS.md for options."""
    from providers.crusoe.adapter import build

    return build(settings, environ, clock, pace)
