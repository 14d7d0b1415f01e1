"""Microsoft Azure: GPU sizes and restrictions, keyless retail prices (on-demand and spot), core quotas, virtual machines."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Azure subscription. Credentials come from DefaultAzureCredential; see FACTS.md for options."""
    from providers.azure.adapter import build

    return build(settings, environ, clock, pace)
