"""Simulated clouds: a market as a process of its own, or in memory, behind the same ports as a real cloud."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The cloud ``settings.name`` of the market process at ``settings.endpoint`` (or HEADRACE_MARKET_URL)."""
    from providers.simulated.adapter import build

    return build(settings, environ, clock)
