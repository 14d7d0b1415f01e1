"""Searches and orders for Vast. Pure, apart from raising on missing options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers.rest import needed
from scheduler.domain.offer import CapacityType
from scheduler.domain.ports import LaunchRequest

ROWS_MAX = 3000
DISK_GB, RELIABILITY, GPU_MIB_MIN = "50", "0.95", 15_000
COUNTS = [1, 2, 4, 8]
SEARCHES = {CapacityType.ON_DEMAND: "ondemand", CapacityType.SPOT: "bid"}


def search(capacity: CapacityType, options: Mapping[str, str], regions: Sequence[str] = ()) -> dict[str, Any]:
    """The body of ``POST /bundles/``: verified machines that can be rented now, priced with the disk that a launch takes."""
    found: dict[str, Any] = {
        "type": SEARCHES[capacity],
        "verified": {"eq": True},
        "rentable": {"eq": True},
        "rented": {"eq": False},
        "reliability": {"gte": float(options.get("reliability", RELIABILITY))},
        "num_gpus": {"in": COUNTS},
        "gpu_ram": {"gte": GPU_MIB_MIN},
        "allocated_storage": float(options.get("disk_gb", DISK_GB)),
        "order": [["dph_total", "asc"], ["id", "asc"]],
        "limit": ROWS_MAX,
    }
    if options.get("datacenter", "") == "true":
        found["datacenter"] = {"eq": True}
    if regions:
        found["geolocation"] = {"in": list(regions)}
    return found


def search_again(request: LaunchRequest, count: int, options: Mapping[str, str]) -> dict[str, Any]:
    """The same search, for one machine: ask ids and prices may have changed since."""
    one = {"machine_id": {"eq": int(request.offer.zone)}, "num_gpus": {"eq": count}}
    return search(request.offer.capacity_type, options) | one


def order(request: LaunchRequest, ask: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """The body of ``PUT /asks/{id}/``: starts at once or not at all. For spot it bids the minimum, which is the price we read.

    Raises:
        InvalidInputError: no image.
    """
    ports = {f"-p {port.strip()}": "1" for port in options.get("ports", "").split(",") if port.strip()}
    found: dict[str, Any] = {
        "image": needed(options, "image", "Name a container image that has headrace and an inference engine."),
        "label": request.launch_token,
        "disk": float(options.get("disk_gb", DISK_GB)),
        "runtype": "args",
        "env": dict(request.env) | ports,
        "cancel_unavail": True,
        "target_state": "running",
    }
    if request.argv:
        found["args"] = list(request.argv)
    if options.get("image_login"):
        found["image_login"] = options["image_login"]
    if request.offer.capacity_type is CapacityType.SPOT:
        found["price"] = float(ask["min_bid"])
    return found
