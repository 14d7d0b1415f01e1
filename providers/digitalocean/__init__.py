"""DigitalOcean: GPU Droplets on demand and spot, prices and the regions that accept creates, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("DIGITALOCEAN_TOKEN", "API token"),
    REGIONS,
    option("image", "image with GPU drivers and headrace, by slug or id", LAUNCH),
    option("ssh_keys", "ids or fingerprints, comma separated"),
    option("vpc", "UUID of the machines' VPC"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One DigitalOcean team. The token is read from DIGITALOCEAN_TOKEN; see FACTS.md for options."""
    from providers.digitalocean.adapter import build

    return build(settings, environ, clock, pace)
