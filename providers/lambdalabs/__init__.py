"""Lambda Cloud: on-demand GPU instances, prices and the regions that have capacity, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Lambda account. The key is read from LAMBDA_API_KEY; see FACTS.md for options."""
    from providers.lambdalabs.adapter import build

    return build(settings, environ, clock, pace)
