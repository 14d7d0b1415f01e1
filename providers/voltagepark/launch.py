"""What Voltage Park is asked for a machine. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from providers.rest import shell_script
from providers.voltagepark.errors import PROVIDER
from providers.voltagepark.parse import LOCATION_TAG, TAG, Preset, shape
from scheduler.domain.errors import StockoutError
from scheduler.domain.ports import LaunchRequest

SCRIPT = "/var/lib/headrace-start.sh"


def chosen(request: LaunchRequest, found: Iterable[Preset]) -> str:
    """The id of the preset that the offer was read from, as its location has it now.

    Raises:
        StockoutError: the location sells it no more, or has none left.
    """
    wanted = request.offer.instance_type
    fits = [preset.row for preset in found if preset.location == request.offer.zone and _is(wanted.name, preset)]
    if not fits or not fits[-1]["available_vms"]:
        raise StockoutError(PROVIDER, f"no {wanted.name} left in {request.offer.zone}")
    return str(fits[-1]["id"])


def _is(name: str, preset: Preset) -> bool:
    try:
        return shape(preset.row["resources"]).name == name
    except ValueError:
        return False


def order(request: LaunchRequest, config_id: str, options: Mapping[str, str]) -> dict[str, Any]:
    """The body of a launch."""
    keys = [key.strip() for key in options.get("ssh_keys", "").split(",") if key.strip()]
    return {
        "config_id": config_id,
        "name": request.launch_token,
        "organization_ssh_keys": {"mode": "selective", "ssh_key_ids": keys} if keys else {"mode": "none"},
        "cloud_init": {
            "write_files": [{"path": SCRIPT, "content": shell_script(request), "permissions": "0700"}],
            "runcmd": [f"sh {SCRIPT}"],
        },
        "tags": [TAG, LOCATION_TAG + request.offer.zone],
    }
