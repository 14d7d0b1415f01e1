"""Lambda Cloud: on-demand GPU instances, prices and the regions that have capacity, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("LAMBDA_API_KEY", "API key"),
    REGIONS,
    option("ssh_keys", "names, comma separated; Lambda launches nothing without one", LAUNCH),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Lambda account. The key is read from LAMBDA_API_KEY; see FACTS.md for options."""
    from providers.lambdalabs.adapter import build

    return build(settings, environ, clock, pace)
