"""Google Compute Engine: GPU machine types, billing-catalogue prices (on-demand and spot), GPU quotas, instances."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, SIGN_IN, TIMEOUT, key, option, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("GOOGLE_API_KEY", "API key for the billing catalogue, which has the prices"),
    variable(
        "GOOGLE_OAUTH_ACCESS_TOKEN",
        "token of `gcloud auth print-access-token`; without it Application Default Credentials are asked",
        SIGN_IN,
    ),
    variable("GOOGLE_APPLICATION_CREDENTIALS", "file of a service account, for Application Default Credentials"),
    variable("GOOGLE_CLOUD_PROJECT", "the project, where option project does not say"),
    REGIONS,
    option("image", "image or family with GPU drivers and headrace", LAUNCH),
    option("project", "the project; that of Application Default Credentials without it"),
    option("network", "network of the machines, `default` without it"),
    option("subnetwork", "subnetwork of the machines"),
    option("subnetwork.<region>", "subnetwork of one region"),
    option("service_account", "e-mail of the service account that machines run as"),
    option("disk_gib", "size of the boot disk, 200 without it"),
    option("billing_endpoint", "another address of the billing catalogue"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Google Cloud project. Credentials: GOOGLE_OAUTH_ACCESS_TOKEN, else Application Default Credentials; see FACTS.md for options."""
    from providers.gcp.adapter import build

    return build(settings, environ, clock, pace)
