"""RunPod: secure cloud pods with GPUs by data center, prices and stock from the catalogue, launches as containers."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("RUNPOD_API_KEY", "API key"),
    REGIONS,
    option("image", "container image with headrace and an engine", LAUNCH),
    option("disk_gb", "container disk, 100 without it"),
    option("ports", "ports to open, comma separated, such as 8000/tcp"),
    option("global_networking", "`true` for a private address"),
    option("registry", "id of a registry credential"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One RunPod account. The key is read from RUNPOD_API_KEY; see FACTS.md for options."""
    from providers.runpod.adapter import build

    return build(settings, environ, clock, pace)
