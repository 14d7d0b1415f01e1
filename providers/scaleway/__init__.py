"""Scaleway: on-demand GPU instances, prices in euro, stock in three words, launches with cloud-init."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Scaleway project. The secret key is read from SCW_SECRET_KEY; see FACTS.md for options."""
    from providers.scaleway.adapter import build

    return build(settings, environ, clock, pace)
