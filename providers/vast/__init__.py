"""Vast.ai: a market of single machines, on demand and by bid; each offer is one machine, launched as a container."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Vast account. The key is read from VAST_API_KEY; see FACTS.md for options."""
    from providers.vast.adapter import build

    return build(settings, environ, clock, pace)
