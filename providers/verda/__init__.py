"""Verda (formerly DataCrunch): on-demand and spot GPU instances by location, launches with a startup script."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("VERDA_CLIENT_ID", "client id", named_by="client_id_env"),
    key("VERDA_CLIENT_SECRET", "its secret", named_by="client_secret_env"),
    REGIONS,
    option("image", "image type, or id of an OS volume, with GPU drivers and headrace", LAUNCH),
    option("ssh_keys", "ids, comma separated"),
    option("os_volume_gb", "size of the OS volume, 100 without it"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Verda project. Credentials are read from VERDA_CLIENT_ID and VERDA_CLIENT_SECRET; see FACTS.md for options."""
    from providers.verda.adapter import build

    return build(settings, environ, clock, pace)
