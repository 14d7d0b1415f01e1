"""Vast.ai: a market of single machines, on demand and by bid; each offer is one machine, launched as a container."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("VAST_API_KEY", "API key"),
    REGIONS,
    option("image", "container image with headrace and an engine", LAUNCH),
    option("disk_gb", "disk of a machine, 50 without it"),
    option("ports", "ports to open, comma separated, such as 8000:8000"),
    option("reliability", "least reliability of a host, 0.95 without it"),
    option("datacenter", "`true` for data centers only"),
    option("image_login", "login of a private registry, as Vast words it"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Vast account. The key is read from VAST_API_KEY; see FACTS.md for options."""
    from providers.vast.adapter import build

    return build(settings, environ, clock, pace)
