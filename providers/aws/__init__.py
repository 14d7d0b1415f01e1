"""Amazon EC2: GPU offers (on-demand and spot), vCPU quotas, capacity reservations, launches by ``RunInstances``."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, SIGN_IN, TIMEOUT, option, regions, variable
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    variable("AWS_ACCESS_KEY_ID", "access key; without it AWS's standard chain is asked (profile, instance role)", SIGN_IN),
    variable("AWS_SECRET_ACCESS_KEY", "its secret"),
    variable("AWS_SESSION_TOKEN", "of keys that end"),
    regions("regions to read; all that the account may use without it"),
    option("image", "AMI with GPU drivers and headrace", LAUNCH, instead=("image.<region>",)),
    option("image.<region>", "AMI of one region"),
    option("subnet", "subnet of the machines"),
    option("subnet.<zone>", "subnet of one zone"),
    option("security_groups", "their ids, comma separated"),
    option("instance_profile", "name of the IAM profile that machines get"),
    option("key_name", "SSH key pair"),
    option("volume_gib", "size of the root volume"),
    option("notice_queue_url", "SQS queue that EventBridge puts spot warnings and rebalance recommendations into"),
    option("prices", "`file`: the public price files instead of GetProducts; `keyless`: these alone, without credentials"),
    option("price_endpoint", "another address of the price files"),
    option("profile", "profile of AWS's configuration; comes before the keys"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One AWS account. Credentials come from AWS's variables or boto3's standard chain; see FACTS.md for options."""
    from providers.aws.adapter import build

    return build(settings, environ, clock, pace)
