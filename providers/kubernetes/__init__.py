"""Any Kubernetes cluster: free whole GPU nodes at declared prices, launches of agent pods, and nodes of their own where it grows them."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One cluster, which is one account. See FACTS.md for credentials and options."""
    from providers.kubernetes.adapter import build

    return build(settings, environ, clock, pace)
