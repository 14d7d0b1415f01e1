"""Simulated clouds: a market as a process of its own, or in memory, behind the same ports as a real cloud."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import READ, REGIONS, option, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    variable("HEADRACE_MARKET_URL", "where the market answers; needed where endpoint is not set"),
    variable("HEADRACE_MARKET_TOKEN", "token of the market", READ, instead=("token_file",)),
    option("token_file", "file that holds the token"),
    option("cloud", "cloud to play; the provider's name without it"),
    REGIONS,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The cloud ``settings.name`` of the market process at ``settings.endpoint`` (or HEADRACE_MARKET_URL)."""
    from providers.simulated.adapter import build

    return build(settings, environ, clock)
