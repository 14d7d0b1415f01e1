"""What Crusoe is asked for a machine. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.rest import needed
from scheduler.domain.ports import LaunchRequest

_IMAGES = (
    # part of the machine type's name, curated image with drivers and Docker
    ("-sxm", "ubuntu22.04-nvidia-sxm-docker:latest"),
    ("mi3", "ubuntu-rocm:latest"),
    ("", "ubuntu22.04-nvidia-pcie-docker:latest"),
)


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of a launch. Raises InvalidInputError where an option is missing."""
    kind = request.offer.instance_type.name
    image = next(image for part, image in _IMAGES if part in kind)
    body: dict[str, Any] = {
        "name": request.launch_token,
        "type": kind,
        "location": request.offer.zone,
        "ssh_public_key": needed(options, "ssh_public_key", "Write the public key; Crusoe launches nothing without one."),
        "image": options.get("image", image),
        "startup_script": request.user_data,
    }
    if "subnet" in options:
        body["network_interfaces"] = [{"subnet": options["subnet"]}]
    return body
