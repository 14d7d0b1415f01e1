"""Cudo Compute: on-demand GPU machines of chosen size, priced by their parts, free GPUs counted, launches with start scripts."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("CUDO_API_KEY", "API key"),
    REGIONS,
    option("project", "project that machines are created in", LAUNCH),
    option("image", "boot image, public or your own", LAUNCH),
    option("disk_gib", "size of the boot disk, 100 without it"),
    option("memory_gib_per_gpu", "memory of a machine per GPU; as much as the GPU has without it"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Cudo project. The key is read from CUDO_API_KEY; see FACTS.md for options."""
    from providers.cudo.adapter import build

    return build(settings, environ, clock, pace)
