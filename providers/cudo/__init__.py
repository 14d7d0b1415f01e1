"""Cudo Compute: on-demand GPU machines of chosen size, priced by their parts, free GPUs counted, launches with start scripts."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Cudo project. The key is read from CUDO_API_KEY; see FACTS.md for options."""
    from providers.cudo.adapter import build

    return build(settings, environ, clock, pace)
