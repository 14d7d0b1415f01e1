"""Scaleway: on-demand GPU instances, prices in euro, stock in three words, launches with cloud-init."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, TIMEOUT, key, option, regions
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("SCW_SECRET_KEY", "secret key"),
    regions("regions or zones to read; all without it"),
    option("project", "id of the project", LAUNCH),
    option("image", "image by label or id, such as ubuntu_jammy_gpu_os_12", LAUNCH),
    option("boot_volume_gb", "size of the boot volume"),
    option("usd_per_eur", "what a euro is worth; a dated reference rate without it"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Scaleway project. The secret key is read from SCW_SECRET_KEY; see FACTS.md for options."""
    from providers.scaleway.adapter import build

    return build(settings, environ, clock, pace)
