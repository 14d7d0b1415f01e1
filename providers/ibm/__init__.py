"""IBM Cloud VPC: on-demand GPU instances by zone at dated list prices, launches with user data."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("IBMCLOUD_API_KEY", "API key of a user or a service id"),
    REGIONS,
    option("image_<region>", "id of an image in that region, with GPU drivers and headrace", LAUNCH),
    option("subnet_<zone>", "id of the machines' subnet in that zone", LAUNCH),
    option("ssh_keys_<region>", "ids, comma separated"),
    option("resource_group", "id of the machines' resource group; the account's default without it"),
    option("boot_volume_gb", "size of the boot volume, 100 without it"),
    option("usd_per_h_<profile>", "agreed price, or one that the list lacks; `usd_per_h_<profile>_<region>` for one region"),
    option("iam_endpoint", "where keys are exchanged for tokens, such as a private endpoint"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One IBM Cloud account. The key is read from IBMCLOUD_API_KEY; see FACTS.md for options."""
    from providers.ibm.adapter import build

    return build(settings, environ, clock, pace)
