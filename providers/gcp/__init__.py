"""Google Compute Engine: GPU machine types, billing-catalogue prices (on-demand and spot), GPU quotas, instances."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Google Cloud project. Credentials come from Application Default Credentials; see FACTS.md for options."""
    from providers.gcp.adapter import build

    return build(settings, environ, clock, pace)
