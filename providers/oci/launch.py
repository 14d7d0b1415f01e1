"""What OCI is asked for an instance. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from providers.oci.parse import TOKEN_TAG
from providers.rest import needed
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import LaunchRequest

RETRY_TOKEN_CHARACTERS_MAX = 64


def order(request: LaunchRequest, options: Mapping[str, str], compartment: str) -> dict[str, Any]:
    """The body of a launch. Raises InvalidInputError where an option is missing."""
    if len(request.launch_token) > RETRY_TOKEN_CHARACTERS_MAX:
        raise InvalidInputError("launch_token", request.launch_token, "longer than 64 characters", "Shorten it.")
    region = request.offer.region
    source: dict[str, Any] = {"sourceType": "image", "imageId": _placed(options, "image", region)}
    if "boot_volume_gb" in options:
        source["bootVolumeSizeInGBs"] = int(needed(options, "boot_volume_gb", "Write gigabytes."))
    metadata = {"user_data": base64.b64encode(request.user_data.encode()).decode()}
    if "ssh_public_key" in options:
        metadata["ssh_authorized_keys"] = options["ssh_public_key"]
    body: dict[str, Any] = {
        "availabilityDomain": request.offer.zone,
        "compartmentId": compartment,
        "shape": request.offer.instance_type.name,
        "displayName": request.launch_token,
        "freeformTags": {TOKEN_TAG: request.launch_token},
        "createVnicDetails": {"subnetId": _placed(options, "subnet", region)},
        "sourceDetails": source,
        "metadata": metadata,
    }
    if request.offer.capacity_type.revocable:
        body["preemptibleInstanceConfig"] = {"preemptionAction": {"type": "TERMINATE", "preserveBootVolume": False}}
    return body


def _placed(options: Mapping[str, str], name: str, region: str) -> str:
    """Images and subnets are per region: ``image_us-ashburn-1``, or ``image`` where only one region is used."""
    return options.get(f"{name}_{region}") or needed(options, name, f"Write its OCID, or that of one region as {name}_{region}.")
