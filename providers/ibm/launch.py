"""What IBM is asked for a machine. Pure, apart from raising on odd options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.rest import needed
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import LaunchRequest

BOOT_VOLUME_GB = "100"
BOOT_VOLUME_PROFILE = "general-purpose"
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``POST /instances``. Boot volume and network interface go with the machine.

    Raises:
        InvalidInputError: an option is missing, or the token is no name for IBM.
    """
    region, zone = request.offer.region, request.offer.zone
    if not _NAME.fullmatch(request.launch_token):
        raise InvalidInputError(
            "launch_token", request.launch_token, "no instance name", "Use up to 63 of a-z, 0-9 and -, a letter first, no - last."
        )
    subnet = needed(options, f"subnet_{zone}", "Write the id of a subnet in this zone.")
    image = needed(options, f"image_{region}", "Write the id of an image in this region that holds GPU drivers and headrace.")
    volume = {"capacity": int(options.get("boot_volume_gb", BOOT_VOLUME_GB)), "profile": {"name": BOOT_VOLUME_PROFILE}}
    body: dict[str, Any] = {
        "name": request.launch_token,
        "profile": {"name": request.offer.instance_type.name},
        "zone": {"name": zone},
        "image": {"id": image},
        "primary_network_attachment": {"virtual_network_interface": {"subnet": {"id": subnet}, "auto_delete": True}},
        "boot_volume_attachment": {"volume": volume, "delete_volume_on_instance_delete": True},
        "user_data": request.user_data,
    }
    keys = [{"id": key.strip()} for key in options.get(f"ssh_keys_{region}", "").split(",") if key.strip()]
    if keys:
        body["keys"] = keys
    if "resource_group" in options:
        body["resource_group"] = {"id": options["resource_group"]}
    return body
