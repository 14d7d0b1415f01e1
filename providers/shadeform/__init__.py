"""Shadeform, an aggregator: what other clouds sell through it, prices and availability by region, launches of containers."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("SHADEFORM_API_KEY", "API key"),
    REGIONS,
    option("image", "container image with headrace and without an entry point", LAUNCH),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Shadeform account. The key is read from SHADEFORM_API_KEY; see FACTS.md for options."""
    from providers.shadeform.adapter import build

    return build(settings, environ, clock, pace)
