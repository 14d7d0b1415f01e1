"""Linode (Akamai): on-demand GPU plans, prices by region, plans that a region has, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("LINODE_TOKEN", "API token"),
    REGIONS,
    option("users", "users whose SSH keys go onto machines, comma separated; Linode wants one", LAUNCH),
    option("image", "image of the machines, `linode/ubuntu24.04` without it"),
    option("firewall_id", "firewall of the machines"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Linode account. The token is read from LINODE_TOKEN; see FACTS.md for options."""
    from providers.linode.adapter import build

    return build(settings, environ, clock, pace)
