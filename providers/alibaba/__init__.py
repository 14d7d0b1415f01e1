"""Alibaba Cloud: on-demand and spot GPU instances by zone, prices in yuan or dollars, stock in three words, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, READ, REGIONS, TIMEOUT, option, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "id of the key", READ),
    variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "its secret", READ),
    REGIONS,
    option("image", "image with GPU drivers and headrace", LAUNCH, instead=("image_<region>",)),
    option("image_<region>", "image of one region"),
    option("security_group_<region>", "security group of each region to launch in", LAUNCH),
    option("vswitch_<zone>", "vSwitch of each zone to launch in, in the security group's network", LAUNCH),
    option("ssh_key", "name of a key pair"),
    option("public_mbps", "public bandwidth; without it machines have no public address"),
    option("system_disk_gb", "size of the system disk, 100 without it"),
    option("usd_per_cny", "what a yuan is worth; a dated reference rate without it"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One account. Keys are read from ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET; see FACTS.md for options."""
    from providers.alibaba.adapter import build

    return build(settings, environ, clock, pace)
