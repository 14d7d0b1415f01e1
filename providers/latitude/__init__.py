"""Latitude.sh: bare-metal GPU servers by the hour, prices and stock by site, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("LATITUDESH_API_KEY", "API key"),
    REGIONS,
    option("project", "project that servers are deployed into, by id or slug", LAUNCH),
    option("operating_system", "slug, `ubuntu_24_04_x64_lts` without it"),
    option("ssh_keys", "ids, comma separated"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Latitude.sh project. The key is read from LATITUDESH_API_KEY; see FACTS.md for options."""
    from providers.latitude.adapter import build

    return build(settings, environ, clock, pace)
