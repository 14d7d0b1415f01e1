"""Orders for EC2 and what its instances mean. Pure, apart from raising on missing options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.offer import CapacityType
from scheduler.domain.ports import CloudNode, LaunchRequest

TOKEN_TAG = "headrace:launch-token"  # noqa: S105 - a tag's name
CLIENT_TOKEN_LENGTH_MAX = 64
ENDED = ("shutting-down", "terminated", "stopping", "stopped")


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of ``RunInstances`` for one node.

    ``ClientToken`` makes it idempotent; the token is a tag as well, because AWS forgets client tokens after a while.

    Options: ``image`` (AMI id, or ``image.<region>``), ``subnet`` (or ``subnet.<zone>``), ``security_groups`` (comma
    separated), ``instance_profile``, ``key_name``, ``volume_gib``.

    Raises:
        InvalidInputError: no image for this region, or the token is too long.
    """
    offer = request.offer
    image = options.get(f"image.{offer.region}") or options.get("image", "")
    if not image:
        field = f"options.image.{offer.region}"
        raise InvalidInputError(field, image, "no machine image", "Name an AMI with GPU drivers and headrace in this region.")
    if len(request.launch_token) > CLIENT_TOKEN_LENGTH_MAX:
        raise InvalidInputError("launch_token", request.launch_token, "longer than 64 characters", "Shorten it.")
    tags = {
        "Name": f"headrace-{request.node}",
        TOKEN_TAG: request.launch_token,
        "headrace:node": request.node,
        "headrace:cluster": request.cluster,
    }
    tagged = [{"Key": key, "Value": value} for key, value in tags.items()]
    arguments: dict[str, Any] = {
        "ClientToken": request.launch_token,
        "ImageId": image,
        "InstanceType": offer.instance_type.name,
        "MinCount": 1,
        "MaxCount": 1,
        "Placement": {"AvailabilityZone": offer.zone},
        "UserData": request.user_data,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 2},
        "TagSpecifications": [{"ResourceType": kind, "Tags": tagged} for kind in ("instance", "volume")],
    }
    if offer.capacity_type is CapacityType.SPOT:
        arguments["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
        }
    arguments.update(_placed(options, offer.zone))
    return arguments


def _placed(options: Mapping[str, str], zone: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    subnet = options.get(f"subnet.{zone}") or options.get("subnet", "")
    groups = [part.strip() for part in options.get("security_groups", "").split(",") if part.strip()]
    if subnet:
        found["SubnetId"] = subnet
    if groups:
        found["SecurityGroupIds"] = groups
    if options.get("instance_profile"):
        found["IamInstanceProfile"] = {"Name": options["instance_profile"]}
    if options.get("key_name"):
        found["KeyName"] = options["key_name"]
    if options.get("volume_gib"):
        found["BlockDeviceMappings"] = [
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": int(options["volume_gib"]), "VolumeType": "gp3", "DeleteOnTermination": True}}
        ]
    return found


def node_of(instance: Mapping[str, Any], region: str) -> CloudNode:
    """An EC2 instance as the port describes it."""
    state = str(instance.get("State", {}).get("Name", ""))
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}
    return CloudNode(
        provider_node_id=instance["InstanceId"],
        launch_token=tags.get(TOKEN_TAG, ""),
        running=state not in ENDED,
        region=region,
        zone=instance.get("Placement", {}).get("AvailabilityZone", ""),
        address=instance.get("PrivateIpAddress", ""),
        state=state,
    )
