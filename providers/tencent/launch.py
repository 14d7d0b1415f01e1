"""What Tencent is asked for an instance. Pure, apart from raising on odd options."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from providers.rest import needed
from providers.tencent.parse import CHARGE_TYPES, TAG
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import LaunchRequest

TOKEN_CHARACTERS_MAX = 64
SYSTEM_DISK_GB = "100"


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``RunInstances``. A spot order without a bid pays the present spot price.

    Raises:
        InvalidInputError: no image, an option that makes no sense, or a token that Tencent does not take.
    """
    if len(request.launch_token) > TOKEN_CHARACTERS_MAX:
        raise InvalidInputError("launch_token", request.launch_token, "longer than 64 characters", "Shorten it.")
    offer, token = request.offer, request.launch_token
    body: dict[str, Any] = {
        "InstanceChargeType": next(name for name, kind in CHARGE_TYPES.items() if kind is offer.capacity_type),
        "Placement": {"Zone": offer.zone},
        "InstanceType": offer.instance_type.name,
        "ImageId": options.get(f"image_{offer.region}") or needed(options, "image", "Name an image that holds GPU drivers and headrace."),
        "SystemDisk": {"DiskSize": _whole(options, "system_disk_gb", SYSTEM_DISK_GB)},
        "InstanceCount": 1,
        "InstanceName": token,
        "ClientToken": token,
        "TagSpecification": [{"ResourceType": "instance", "Tags": [{"Key": TAG, "Value": token}]}],
        "UserData": base64.b64encode(request.user_data.encode()).decode(),
    }
    if "ssh_keys" in options:
        body["LoginSettings"] = {"KeyIds": _names(options["ssh_keys"])}
    if "security_groups" in options:
        body["SecurityGroupIds"] = _names(options["security_groups"])
    if "public_mbps" in options:
        mbps = _whole(options, "public_mbps", "0")
        body["InternetAccessible"] = {
            "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR",
            "InternetMaxBandwidthOut": mbps,
            "PublicIpAssigned": mbps > 0,
        }
    subnet = options.get(f"subnet_{offer.zone}", "")
    if subnet:
        network, _, part = subnet.partition("/")
        body["VirtualPrivateCloud"] = {"VpcId": network, "SubnetId": part}
    return body


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _whole(options: Mapping[str, str], name: str, default: str) -> int:
    given = options.get(name, default)
    if not given.isdigit():
        raise InvalidInputError(f"options.{name}", given, "not a whole number", f"Write a number, such as {default}.")
    return int(given)
