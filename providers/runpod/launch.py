"""Orders for RunPod. Pure, apart from raising on missing options."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from providers.rest import needed
from providers.runpod.parse import gpu_of
from scheduler.domain.ports import LaunchRequest

DISK_GB = "100"


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``POST /pods`` for one node: its data center and no other, its name the launch token.

    Raises:
        InvalidInputError: no image.
    """
    found: dict[str, Any] = {
        "name": request.launch_token,
        "image": needed(options, "image", "Name a container image that has headrace and an inference engine."),
        "cloud": "SECURE",
        "gpu": gpu_of(request.offer.instance_type.name),
        "dataCenterIds": [request.offer.zone],
        "disk": int(options.get("disk_gb", DISK_GB)),
        "env": dict(request.env),
        "globalNetworking": options.get("global_networking", "") == "true",
    }
    if request.argv:
        found["args"] = shlex.join(request.argv)
    if options.get("ports"):
        found["ports"] = [port.strip() for port in options["ports"].split(",")]
    if options.get("registry"):
        found["registry"] = options["registry"]
    return found
