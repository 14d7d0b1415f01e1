"""Microsoft Azure: GPU sizes and restrictions, keyless retail prices (on-demand and spot), core quotas, virtual machines."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, READ, SIGN_IN, TIMEOUT, option, regions, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    option("subscription", "id of the subscription", READ, instead=("AZURE_SUBSCRIPTION_ID",)),
    variable("AZURE_SUBSCRIPTION_ID", "id of the subscription, where the option does not say"),
    regions("regions to read, such as eastus; reading all takes an hour", READ),
    variable("AZURE_ACCESS_TOKEN", "token of `az account get-access-token`; without it the default chain is asked", SIGN_IN),
    variable("AZURE_CLIENT_ID", "service principal, for the default chain, which also asks managed identity and `az login`"),
    variable("AZURE_TENANT_ID", "its tenant"),
    variable("AZURE_CLIENT_SECRET", "its secret"),
    option("resource_group", "group that machines are created in", LAUNCH),
    option("image", "resource id of an image with GPU drivers and headrace", LAUNCH, instead=("image.<region>",)),
    option("image.<region>", "image of one region"),
    option("subnet", "resource id of the machines' subnet", LAUNCH, instead=("subnet.<region>",)),
    option("subnet.<region>", "subnet of one region"),
    option("ssh_public_key", "Azure creates no machine without one", LAUNCH, instead=("ssh_public_key.<region>",)),
    option("ssh_public_key.<region>", "key of one region"),
    option("admin_user", "user of the machines, `headrace` without it"),
    option("retail_endpoint", "another address of the price API"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Azure subscription. Credentials come from AZURE_ACCESS_TOKEN, else DefaultAzureCredential; see FACTS.md for options."""
    from providers.azure.adapter import build

    return build(settings, environ, clock, pace)
