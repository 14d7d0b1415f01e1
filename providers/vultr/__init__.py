"""Vultr: Cloud GPU instances and GPU bare metal on demand, prices without a key, stock by region, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("VULTR_API_KEY", "API key; without it prices are read, but no stock", LAUNCH),
    REGIONS,
    option("snapshot", "id of a snapshot with GPU drivers and headrace", LAUNCH, instead=("os",)),
    option("os", "number of an operating system, where no snapshot is named"),
    option("ssh_keys", "ids, comma separated"),
    option("vpc", "VPC of instances"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Vultr account. The key is read from VULTR_API_KEY; without it prices are read, but no stock. See FACTS.md."""
    from providers.vultr.adapter import build

    return build(settings, environ, clock, pace)
