"""Hyperstack (NexGen Cloud): on-demand and spot GPU machines, prices per GPU, stock counted in machines, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("HYPERSTACK_API_KEY", "API key"),
    REGIONS,
    option("image", "name of an image of the region", LAUNCH),
    option("ssh_key", "name of a key pair; Hyperstack launches nothing without one", LAUNCH),
    option("environment", "environment of the machines, `default-{region}` without it"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Hyperstack account. The key is read from HYPERSTACK_API_KEY; see FACTS.md for options."""
    from providers.hyperstack.adapter import build

    return build(settings, environ, clock, pace)
