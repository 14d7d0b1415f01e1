"""Shadeform, an aggregator: what other clouds sell through it, prices and availability by region, launches of containers."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Shadeform account. The key is read from SHADEFORM_API_KEY; see FACTS.md for options."""
    from providers.shadeform.adapter import build

    return build(settings, environ, clock, pace)
