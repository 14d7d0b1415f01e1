"""Crusoe Cloud: on-demand GPU machines at dated list prices, live stock counted in machines, launches with a startup script."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Crusoe project. Keys are read from CRUSOE_ACCESS_KEY_ID and CRUSOE_SECRET_KEY; see FACTS.md for options."""
    from providers.crusoe.adapter import build

    return build(settings, environ, clock, pace)
