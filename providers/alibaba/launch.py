"""What Alibaba is asked for an instance. Pure, apart from raising on odd options."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from providers.alibaba.parse import STRATEGIES, TAG
from providers.rest import needed
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import LaunchRequest

TOKEN_CHARACTERS_MAX = 64
SYSTEM_DISK_GB = "100"


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, str]:
    """The parameters of ``RunInstances``. A spot order follows the market price, up to that on demand.

    Raises:
        InvalidInputError: an option is missing, or the token is one that Alibaba does not take.
    """
    if len(request.launch_token) > TOKEN_CHARACTERS_MAX:
        raise InvalidInputError("launch_token", request.launch_token, "longer than 64 characters", "Shorten it.")
    offer, token = request.offer, request.launch_token
    asked = {
        "RegionId": offer.region,
        "ZoneId": offer.zone,
        "InstanceType": offer.instance_type.name,
        "InstanceChargeType": "PostPaid",
        "SpotStrategy": STRATEGIES[offer.capacity_type],
        "ImageId": options.get(f"image_{offer.region}") or needed(options, "image", "Name an image that holds GPU drivers and headrace."),
        "SecurityGroupId": needed(options, f"security_group_{offer.region}", "Name a security group of the region."),
        "VSwitchId": needed(options, f"vswitch_{offer.zone}", "Name a vSwitch of the zone, in the security group's network."),
        "SystemDisk.Category": "cloud_essd",
        "SystemDisk.Size": options.get("system_disk_gb", SYSTEM_DISK_GB),
        "Amount": "1",
        "InstanceName": token,
        "ClientToken": token,
        **tagged(token),
        "UserData": base64.b64encode(request.user_data.encode()).decode(),
    }
    for option, name in (("ssh_key", "KeyPairName"), ("public_mbps", "InternetMaxBandwidthOut")):
        if option in options:
            asked[name] = options[option]
    return asked


def tagged(token: str = "") -> dict[str, str]:
    """Our tag, with any value where no token is given."""
    return {"Tag.1.Key": TAG, **({"Tag.1.Value": token} if token else {})}
