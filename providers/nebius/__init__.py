"""Nebius: on-demand and preemptible GPU machines, contract prices, stock by level, launches with cloud-init.

Wants the extra ``headrace[nebius]``: the API is gRPC, and Nebius' SDK speaks it.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, READ, REGIONS, TIMEOUT, option, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    variable("NEBIUS_IAM_TOKEN", "access token", READ, instead=("NEBIUS_CREDENTIALS_FILE", "credentials_file")),
    variable("NEBIUS_CREDENTIALS_FILE", "file of a service account's key", instead=("credentials_file",)),
    option("credentials_file", "the same, as an option"),
    option("projects", "ids of projects, comma separated, one in each region", READ),
    REGIONS,
    option("subnet", "id of the machines' subnet", LAUNCH, instead=("subnet_<region>",)),
    option("subnet_<region>", "subnet of one region"),
    option("image_family", "family with drivers, such as ubuntu24.04-cuda12", LAUNCH),
    option("boot_disk_gib", "size of the boot disk"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Nebius tenant. Credentials are named by NEBIUS_IAM_TOKEN or NEBIUS_CREDENTIALS_FILE; see FACTS.md for options."""
    from providers.nebius.adapter import build

    return build(settings, environ, clock, pace)
