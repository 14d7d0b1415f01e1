"""Nebius: on-demand and preemptible GPU machines, contract prices, stock by level, launches with cloud-init.

Wants the extra ``headrace[nebius]``: the API is gRPC, and Nebius' SDK speaks it.
"""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Nebius tenant. Credentials are named by NEBIUS_IAM_TOKEN or NEBIUS_CREDENTIALS_FILE; see FACTS.md for options."""
    from providers.nebius.adapter import build

    return build(settings, environ, clock, pace)
