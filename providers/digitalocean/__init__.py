"""DigitalOcean: GPU Droplets on demand and spot, prices and the regions that accept creates, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One DigitalOcean team. The token is read from DIGITALOCEAN_TOKEN; see FACTS.md for options."""
    from providers.digitalocean.adapter import build

    return build(settings, environ, clock, pace)
