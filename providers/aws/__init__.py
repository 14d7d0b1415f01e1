"""Amazon EC2: GPU offers (on-demand and spot), vCPU quotas, capacity reservations, launches by ``RunInstances``."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One AWS account. Credentials come from boto3's standard chain; see FACTS.md for options."""
    from providers.aws.adapter import build

    return build(settings, clock)
