"""Tencent Cloud: on-demand and spot GPU instances by zone, prices in yuan or dollars, stock in four words, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, READ, REGIONS, TIMEOUT, option, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    variable("TENCENTCLOUD_SECRET_ID", "id of the key", READ),
    variable("TENCENTCLOUD_SECRET_KEY", "its secret", READ),
    REGIONS,
    option("site", "international or china; the first without it"),
    option("image", "image with GPU drivers and headrace", LAUNCH, instead=("image_<region>",)),
    option("image_<region>", "image of one region"),
    option("ssh_keys", "ids, comma separated"),
    option("security_groups", "ids, comma separated"),
    option("subnet_<zone>", "`vpc-…/subnet-…` of one zone; the default network without it"),
    option("public_mbps", "public bandwidth; without it machines have no public address"),
    option("system_disk_gb", "size of the system disk, 100 without it"),
    option("usd_per_cny", "what a yuan is worth; a dated reference rate without it"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Tencent Cloud account. Keys are read from TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY; see FACTS.md for options."""
    from providers.tencent.adapter import build

    return build(settings, environ, clock, pace)
