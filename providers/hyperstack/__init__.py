"""Hyperstack (NexGen Cloud): on-demand and spot GPU machines, prices per GPU, stock counted in machines, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Hyperstack account. The key is read from HYPERSTACK_API_KEY; see FACTS.md for options."""
    from providers.hyperstack.adapter import build

    return build(settings, environ, clock, pace)
