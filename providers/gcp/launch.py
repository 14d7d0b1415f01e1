"""Orders for Compute Engine instances and what they mean when read back. Pure, apart from raising on missing options."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from typing import Any

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.offer import CapacityType
from scheduler.domain.ports import CloudNode, LaunchRequest

TOKEN_LABEL = "headrace-launch-token"  # noqa: S105 - a label's name
ENDED = ("STOPPING", "SUSPENDING", "SUSPENDED", "TERMINATED", "STOPPED")


def label(text: str) -> str:
    """Labels hold 63 lower-case letters, digits, dashes and underscores; what does not fit ends in a digest of the whole."""
    plain = re.sub(r"[^a-z0-9_-]", "-", text.lower())
    return plain if plain == text and len(plain) <= 63 else f"{plain[:46]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def instance_name(launch_token: str) -> str:
    """A function of the token: inserting the same name twice is refused by Google, so a token is one machine."""
    return f"hr-{label(launch_token)}".replace("_", "-")[:63].rstrip("-")


def request_id(launch_token: str) -> str:
    """The idempotency key of ``insert``: a UUID derived from the token."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"headrace:{launch_token}"))


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The instance resource for one node, REST field names.

    Options: ``image`` (image or family URL), ``network``, ``subnetwork`` (or ``subnetwork.<region>``), ``service_account``,
    ``disk_gib``.

    Raises:
        InvalidInputError: no image.
    """
    offer = request.offer
    image = options.get("image", "")
    if not image:
        raise InvalidInputError("options.image", image, "no machine image", "Name an image with GPU drivers and headrace.")
    network = {"network": options.get("network", "global/networks/default")}
    subnetwork = options.get(f"subnetwork.{offer.region}") or options.get("subnetwork", "")
    if subnetwork:
        network["subnetwork"] = subnetwork
    scheduling: dict[str, Any] = {"onHostMaintenance": "TERMINATE", "automaticRestart": False}
    if offer.capacity_type is CapacityType.SPOT:
        scheduling |= {"provisioningModel": "SPOT", "instanceTerminationAction": "DELETE"}
    instance: dict[str, Any] = {
        "name": instance_name(request.launch_token),
        "machineType": f"zones/{offer.zone}/machineTypes/{offer.instance_type.name}",
        "labels": {
            TOKEN_LABEL: label(request.launch_token),
            "headrace-node": label(request.node),
            "headrace-cluster": label(request.cluster),
        },
        "disks": [
            {
                "boot": True,
                "autoDelete": True,
                "initializeParams": {"sourceImage": image, "diskSizeGb": options.get("disk_gib", "200")},
            }
        ],
        "networkInterfaces": [network],
        "scheduling": scheduling,
        "metadata": {
            "items": [
                {"key": "startup-script", "value": request.user_data},
                # Labels are cut; the token itself is kept here.
                {"key": TOKEN_LABEL, "value": request.launch_token},
            ]
        },
    }
    if options.get("service_account"):
        scope = "https://www.googleapis.com/auth/cloud-platform"
        instance["serviceAccounts"] = [{"email": options["service_account"], "scopes": [scope]}]
    return instance


def node_of(instance: Mapping[str, Any]) -> CloudNode:
    """An instance as the port describes it."""
    zone = str(instance.get("zone", "")).rsplit("/", 1)[-1]
    items = {item.get("key"): item.get("value", "") for item in (instance.get("metadata") or {}).get("items") or ()}
    networks = instance.get("networkInterfaces") or [{}]
    state = str(instance.get("status", ""))
    return CloudNode(
        provider_node_id=str(instance["name"]),
        launch_token=str(items.get(TOKEN_LABEL, "")),
        running=state not in ENDED,
        region=zone.rsplit("-", 1)[0],
        zone=zone,
        address=str(networks[0].get("networkIP", "")),
        state=state.lower(),
    )
