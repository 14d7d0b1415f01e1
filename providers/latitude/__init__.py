"""Latitude.sh: bare-metal GPU servers by the hour, prices and stock by site, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Latitude.sh project. The key is read from LATITUDESH_API_KEY; see FACTS.md for options."""
    from providers.latitude.adapter import build

    return build(settings, environ, clock, pace)
