"""What Nebius is asked for a machine: options here, the SDK's message in the transport. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from providers.nebius.parse import parts
from providers.rest import needed
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import LaunchRequest

BOOT_DISK_GIB = 100
NAME_CHARACTERS_MAX = 63


@dataclass(frozen=True, slots=True)
class Order:
    """One machine. ``token`` becomes name, label and idempotency key."""

    token: str
    platform: str
    preset: str
    preemptible: bool
    subnet: str
    image_family: str
    boot_disk_gib: int
    user_data: str


def order(request: LaunchRequest, options: Mapping[str, str]) -> Order:
    """Raises InvalidInputError where an option is missing or wrong."""
    if len(request.launch_token) > NAME_CHARACTERS_MAX:
        raise InvalidInputError("launch_token", request.launch_token, "longer than 63 characters", "Shorten it.")
    given = options.get("boot_disk_gib", str(BOOT_DISK_GIB))
    if not given.isdigit() or given == "0":
        raise InvalidInputError("options.boot_disk_gib", given, "not a positive whole number", "Write GiB, such as 100.")
    platform, preset = parts(request.offer.instance_type.name)
    region = request.offer.region
    subnet = options.get(f"subnet_{region}") or needed(options, "subnet", f"Write its id, or that of one region as subnet_{region}.")
    family = needed(options, "image_family", "Write an image family with drivers, such as ubuntu24.04-cuda12.")
    preemptible = request.offer.capacity_type.revocable
    return Order(request.launch_token, platform, preset, preemptible, subnet, family, int(given), request.user_data)
