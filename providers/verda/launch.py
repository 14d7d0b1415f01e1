"""Orders for Verda. Pure, apart from raising on odd options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.rest import needed
from scheduler.domain.offer import CapacityType
from scheduler.domain.ports import CloudNode, LaunchRequest

OS_VOLUME_GB = "100"
HOSTNAME_CHARACTERS_MAX = 63
_NOT_IN_HOSTNAMES = re.compile(r"[^a-z0-9-]")


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``POST /instances``, but for its startup script.

    On demand it asks for the fixed price, which is the one we read. The disk of a spot machine goes with it.

    Raises:
        InvalidInputError: no image.
    """
    offer, spot = request.offer, request.offer.capacity_type is CapacityType.SPOT
    disk: dict[str, Any] = {"name": request.launch_token, "size": int(options.get("os_volume_gb", OS_VOLUME_GB))}
    found: dict[str, Any] = {
        "instance_type": offer.instance_type.name,
        "image": needed(options, "image", "Name an image type or the id of an OS volume that holds GPU drivers and headrace."),
        "hostname": _NOT_IN_HOSTNAMES.sub("-", request.launch_token.lower())[:HOSTNAME_CHARACTERS_MAX],
        "description": request.launch_token,
        "location_code": offer.zone,
        "ssh_key_ids": [key.strip() for key in options.get("ssh_keys", "").split(",") if key.strip()],
        "is_spot": spot,
    }
    if spot:
        return found | {"os_volume": disk | {"on_spot_discontinue": "delete_permanently"}}
    return found | {"os_volume": disk, "contract": "PAY_AS_YOU_GO", "pricing": "FIXED_PRICE"}


def release(node: CloudNode) -> dict[str, Any]:
    """The body of the action that deletes a machine; no list of volumes means that its OS volume goes with it."""
    return {"id": [node.provider_node_id], "action": "delete", "volume_ids": None}
