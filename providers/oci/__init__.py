"""Oracle Cloud Infrastructure: on-demand and preemptible GPU shapes, keyless list prices, capacity reports, launches with user data.

Wants the extra ``headrace[oci]``: Oracle's SDK knows the credentials and signs; the calls are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, SIGN_IN, TIMEOUT, option, regions, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    variable("OCI_CLI_USER", "user; without it OCI's configuration file is read", SIGN_IN),
    variable("OCI_CLI_TENANCY", "tenancy, with OCI_CLI_USER"),
    variable("OCI_CLI_FINGERPRINT", "fingerprint of the key, with OCI_CLI_USER"),
    variable("OCI_CLI_KEY_FILE", "file of the key, with OCI_CLI_USER", instead=("OCI_CLI_KEY_CONTENT",)),
    variable("OCI_CLI_KEY_CONTENT", "the key itself, with OCI_CLI_USER"),
    variable("OCI_CLI_PASSPHRASE", "of the key"),
    variable("OCI_CLI_REGION", "home region, with OCI_CLI_USER"),
    variable("OCI_CONFIG_FILE", "configuration file, where option config_file does not say"),
    variable("OCI_CLI_PROFILE", "profile of the file, where option profile does not say"),
    option("config_file", "OCI's configuration file, ~/.oci/config without it"),
    option("profile", "profile of the file"),
    regions("regions to read; all that the tenancy is subscribed to without it"),
    option("compartment", "OCID; the root compartment without it"),
    option("image", "OCID of an image with GPU drivers and headrace", LAUNCH, instead=("image_<region>",)),
    option("image_<region>", "image of one region"),
    option("subnet", "OCID of the machines' subnet", LAUNCH, instead=("subnet_<region>",)),
    option("subnet_<region>", "subnet of one region"),
    option("boot_volume_gb", "size of the boot volume"),
    option("ssh_public_key", "key that is put onto machines"),
    option("price_endpoint", "another address of the price list"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One OCI tenancy. Credentials come from OCI's own configuration; see FACTS.md for it and for options."""
    from providers.oci.adapter import build

    return build(settings, environ, clock, pace)
