"""Orders for Azure virtual machines and what they mean when read back. Pure, apart from raising on missing options."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.offer import CapacityType
from scheduler.domain.ports import CloudNode, LaunchRequest

TOKEN_TAG = "headrace-launch-token"  # noqa: S105 - a tag's name
NETWORK_API_VERSION = "2022-11-01"


def machine_name(launch_token: str) -> str:
    """The VM's name, a function of the token: creating the same name twice is the same machine (PUT is idempotent)."""
    return "hr-" + re.sub(r"[^A-Za-z0-9-]", "-", launch_token)[:60].strip("-")


def order(request: LaunchRequest, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``virtualMachines/createOrUpdate`` for one node.

    The network interface and the disk are declared inside and deleted with the machine, so nothing is left to sweep.

    Options: ``image`` (resource id, or ``image.<region>``), ``subnet`` (resource id, or ``subnet.<region>``),
    ``ssh_public_key``, ``admin_user``.

    Raises:
        InvalidInputError: image, subnet or key is not set.
    """
    offer = request.offer
    chosen = {name: options.get(f"{name}.{offer.region}") or options.get(name, "") for name in ("image", "subnet", "ssh_public_key")}
    for name, value in chosen.items():
        if not value:
            raise InvalidInputError(f"options.{name}", value, f"needed to launch in {offer.region}", "Set it for the provider.")
    name, user = machine_name(request.launch_token), options.get("admin_user", "headrace")
    key = {"path": f"/home/{user}/.ssh/authorized_keys", "keyData": chosen["ssh_public_key"]}
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": offer.instance_type.name},
        "storageProfile": {
            "imageReference": {"id": chosen["image"]},
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete", "managedDisk": {"storageAccountType": "Premium_LRS"}},
        },
        "osProfile": {
            "computerName": name[:63],
            "adminUsername": user,
            "customData": base64.b64encode(request.user_data.encode()).decode(),
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
        },
        "networkProfile": {
            "networkApiVersion": NETWORK_API_VERSION,
            "networkInterfaceConfigurations": [
                {
                    "name": f"{name}-nic",
                    "properties": {
                        "primary": True,
                        "deleteOption": "Delete",
                        "ipConfigurations": [{"name": "internal", "properties": {"subnet": {"id": chosen["subnet"]}}}],
                    },
                }
            ],
        },
    }
    if offer.capacity_type is CapacityType.SPOT:
        # -1: pay up to the on-demand price, so that only capacity evicts.
        properties |= {"priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": -1}}
    tags = {TOKEN_TAG: request.launch_token, "headrace-node": request.node, "headrace-cluster": request.cluster}
    body: dict[str, Any] = {"location": offer.region, "tags": tags, "properties": properties}
    if offer.zone != offer.region:
        body["zones"] = [offer.zone.removeprefix(f"{offer.region}-")]
    return body


def node_of(machine: Mapping[str, Any]) -> CloudNode:
    """A virtual machine as the port describes it."""
    region = str(machine.get("location", ""))
    zone = next(iter(machine.get("zones") or ()), "")
    state = str((machine.get("properties") or {}).get("provisioningState", ""))
    return CloudNode(
        provider_node_id=str(machine["name"]),
        launch_token=str((machine.get("tags") or {}).get(TOKEN_TAG, "")),
        running=state not in ("Deleting", "Failed"),
        region=region,
        zone=f"{region}-{zone}" if zone else region,
        state=state.lower(),
    )
