"""What Scaleway is asked for an instance. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.rest import needed
from providers.scaleway.parse import TAG, TOKEN_TAG
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import LaunchRequest

GB = 10**9
BOOT_VOLUME_GB = 100


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of a creation: the instance boots from a block volume named after the launch. Raises InvalidInputError."""
    given = options.get("boot_volume_gb", str(BOOT_VOLUME_GB))
    if not given.isdigit() or given == "0":
        raise InvalidInputError("options.boot_volume_gb", given, "not a positive whole number", "Write gigabytes, such as 100.")
    boot = {"name": request.launch_token, "volume_type": "sbs_volume", "size": int(given) * GB, "boot": True}
    return {
        "name": request.launch_token,
        "commercial_type": request.offer.instance_type.name,
        "image": needed(options, "image", "Write a label, such as ubuntu_jammy_gpu_os_12, or an id."),
        "project": needed(options, "project", "Write the id of the project."),
        "dynamic_ip_required": True,
        "tags": [TAG, TOKEN_TAG + request.launch_token],
        "volumes": {"0": boot},
    }
