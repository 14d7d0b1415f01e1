"""Linode (Akamai): on-demand GPU plans, prices by region, plans that a region has, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Linode account. The token is read from LINODE_TOKEN; see FACTS.md for options."""
    from providers.linode.adapter import build

    return build(settings, environ, clock, pace)
