"""Vultr: Cloud GPU instances and GPU bare metal on demand, prices without a key, stock by region, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Vultr account. The key is read from VULTR_API_KEY; without it prices are read, but no stock. See FACTS.md."""
    from providers.vultr.adapter import build

    return build(settings, environ, clock, pace)
