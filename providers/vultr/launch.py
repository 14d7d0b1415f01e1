"""Orders for Vultr. Pure, apart from raising on missing options."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from providers.rest import needed
from providers.vultr.parse import INSTANCES, path_of
from scheduler.domain.ports import LaunchRequest


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``POST /instances`` or ``/bare-metals``. User data is base64; backups cost a fifth more and are off.

    Raises:
        InvalidInputError: neither a snapshot nor an operating system.
    """
    plan = request.offer.instance_type.name
    found: dict[str, Any] = {
        "region": request.offer.region,
        "plan": plan,
        "label": request.launch_token,
        "hostname": request.launch_token,
        "user_data": base64.b64encode(request.user_data.encode()).decode(),
        "sshkey_id": [key.strip() for key in options.get("ssh_keys", "").split(",") if key.strip()],
        "activation_email": False,
        "tags": ["headrace"],
    }
    if options.get("os"):
        found["os_id"] = int(options["os"])
    else:
        remedy = "Name a snapshot that holds GPU drivers and headrace, or an operating system's number in options.os."
        found["snapshot_id"] = needed(options, "snapshot", remedy)
    if path_of(plan) == INSTANCES:
        found["backups"] = "disabled"
        if options.get("vpc"):
            found["attach_vpc"] = [options["vpc"]]
    return found
