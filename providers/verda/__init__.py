"""Verda (formerly DataCrunch): on-demand and spot GPU instances by location, launches with a startup script."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Verda project. Credentials are read from VERDA_CLIENT_ID and VERDA_CLIENT_SECRET; see FACTS.md for options."""
    from providers.verda.adapter import build

    return build(settings, environ, clock, pace)
