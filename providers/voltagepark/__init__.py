"""Voltage Park: on-demand GPU machines from presets by location, counted, launches with cloud-init."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("VOLTAGE_PARK_API_TOKEN", "API token", named_by="api_token_env"),
    REGIONS,
    option("operating_system", "only presets with it, such as `Ubuntu 22.04 LTS`"),
    option("ssh_keys", "ids, comma separated"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Voltage Park organization. The token is read from VOLTAGE_PARK_API_TOKEN; see FACTS.md for options."""
    from providers.voltagepark.adapter import build

    return build(settings, environ, clock, pace)
