"""Prime Intellect's answers as offers, orders and nodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from providers.normalise import accelerator_key, cloud_kind, instance_type, price_micro_usd
from providers.primeintellect.errors import PROVIDER
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind, StockBucket
from scheduler.domain.ports import CloudNode, LaunchRequest

Row = Mapping[str, Any]

BUCKETS = {"low": StockBucket.LOW, "medium": StockBucket.MEDIUM, "high": StockBucket.HIGH, "unavailable": StockBucket.NONE}
ENDED = ("TERMINATED", "DELETING", "DELETED")
CPU_ONLY = "CPU_NODE"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every offer of one reading shares."""

    account: str
    now: datetime


def name(row: Row) -> str:
    """The instance type's name: the cloud's own id, the count, and who runs it where that is not a data centre."""
    community = ":community" if row.get("security") == "community_cloud" else ""
    return f"{row['cloudId']}:{row['gpuCount']}{community}"


def place(row: Row) -> str:
    """The data centre, or the country where none is named."""
    found = str(row.get("dataCenter") or row.get("country") or "")
    if not found:
        raise ValueError("the row names neither data centre nor country")
    return found.replace("/", "-")


def offers(stamp: Stamp, row: Row) -> list[Offer]:
    """One row; none where it has no GPU or is sold for prepaid hours. The offer names the cloud as provider, Prime Intellect as source.

    Raises what a wrong shape raises.
    """
    if row["gpuType"] == CPU_ONLY or row.get("prepaidTime"):
        return []
    prices = row["prices"]
    if prices.get("currency", "USD") != "USD":
        raise ValueError(f"price in {prices['currency']!r}")
    kind = instance_type(
        cloud_kind(str(row["provider"])),
        name(row),
        accelerator=card(row),
        count=row["gpuCount"],
        vcpus=(row.get("vcpu") or {}).get("defaultCount"),
        memory_gib=(row.get("memory") or {}).get("defaultCount"),
    )
    usd = prices["onDemand"] if prices.get("communityPrice") is None else prices["communityPrice"]
    return [
        Offer(
            instance_type=kind,
            region=place(row),
            zone=place(row),
            capacity_type=CapacityType.SPOT if row.get("isSpot") is True else CapacityType.ON_DEMAND,
            price_micro_usd_per_h=price_micro_usd(usd, accelerators=kind.accelerator_count),
            availability=stock(str(row["stockStatus"])),
            observed_at=stamp.now,
            source_kind=SourceKind.LIVE,
            source=PROVIDER,
            account=stamp.account,
            jurisdiction=str(row.get("country") or ""),
            launch_s=int(row.get("provisioningTime") or 10) * 60,
        )
    ]


def card(row: Row) -> str:
    """The catalogue key of ``H100_80GB`` in a socket such as ``SXM5``."""
    socket = str(row.get("socket") or "").upper()
    form = "SXM" if socket.startswith("SXM") else {"PCIE": "PCIe"}.get(socket, "")
    return accelerator_key(str(row["gpuType"]), memory_gib=row.get("gpuMemory"), form=form)


def stock(status: str) -> Availability:
    """``Available`` says yes, the levels how much."""
    if status.lower() == "available":
        return Availability.of_boolean(True)
    bucket = BUCKETS.get(status.lower())
    return Availability() if bucket is None else Availability.of_bucket(bucket)


def same(row: Row, offer: Offer) -> bool:
    """Whether a row of now is what the offer spoke of."""
    spot = row.get("isSpot") is True
    named = (cloud_kind(str(row.get("provider"))), name(row), place(row), spot)
    return named == (offer.provider, offer.instance_type.name, offer.region, offer.capacity_type.revocable)


def order(request: LaunchRequest, row: Row, template: str, team: str) -> dict[str, Any]:
    """A launch: the row's own words back, our name, and the agent's environment for the template's container."""
    wanted: dict[str, Any] = {
        "name": request.launch_token,
        "cloudId": row["cloudId"],
        "gpuType": row["gpuType"],
        "socket": row["socket"],
        "gpuCount": row["gpuCount"],
        "dataCenterId": row.get("dataCenter"),
        "country": row.get("country"),
        "security": row.get("security"),
        "image": "custom_template",
        "customTemplateId": template,
        "envVars": [{"key": key, "value": value} for key, value in request.env.items()],
    }
    made: dict[str, Any] = {
        "pod": {key: value for key, value in wanted.items() if value is not None},
        "provider": {"type": row["provider"]},
    }
    return {**made, "team": {"teamId": team}} if team else made


def node(row: Row, region: str = "") -> CloudNode:
    """A pod as the port describes it; its name is the launch token. Pods do not tell their data centre."""
    state, address = str(row["status"]), row.get("ip")
    if isinstance(address, list):
        address = next(iter(address), None)
    return CloudNode(str(row["id"]), str(row.get("name") or ""), state not in ENDED, region, region, str(address or ""), state)
