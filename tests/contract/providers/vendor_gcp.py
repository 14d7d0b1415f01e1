"""A fake Google Cloud whose answers are Google's own message types, for Google's own SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.auth import credentials as google_credentials
from google.auth.exceptions import RefreshError
from google.cloud import compute_v1

from providers.gcp.adapter import assemble
from providers.gcp.transport import BillingCatalogue, GcpApi
from scheduler.domain.offer import Offer
from scheduler.domain.ports import LaunchRequest, OfferPage, Provider, ProviderSettings
from simulations.vendors.server import Answer, Asked, FakeVendor

NOW = datetime(2026, 11, 1, tzinfo=UTC)
BASE = "/compute/v1/projects/p1"
ZONE = BASE + r"/zones/(?P<zone>[^/]+)"


def to_rest(message: Any) -> Any:
    return json.loads(type(message).to_json(message, preserving_proto_field_name=False, always_print_fields_with_no_presence=False))


def machine_type(name: str, zone: str, card: str, count: int = 1, cpus: int = 4, gib: int = 16) -> compute_v1.MachineType:
    accelerators = [compute_v1.Accelerators(guest_accelerator_type=card, guest_accelerator_count=count)] if card else []
    return compute_v1.MachineType(name=name, zone=zone, guest_cpus=cpus, memory_mb=gib * 1024, accelerators=accelerators)


PAGES = {
    "": compute_v1.MachineTypeAggregatedList(
        items={
            "zones/us-central1-a": compute_v1.MachineTypesScopedList(
                machine_types=[
                    machine_type("g2-standard-4", "us-central1-a", "nvidia-l4"),
                    machine_type("n2-standard-4", "us-central1-a", ""),
                ]
            )
        },
        next_page_token="two",
    ),
    "two": compute_v1.MachineTypeAggregatedList(
        items={
            "zones/europe-west4-b": compute_v1.MachineTypesScopedList(
                machine_types=[
                    machine_type("g2-standard-4", "europe-west4-b", "nvidia-l4"),
                    machine_type("x9-test", "europe-west4-b", "nvidia-x9"),
                    machine_type("a3-highgpu-1g", "europe-west4-b", "nvidia-h100-80gb", 1, 26, 234),
                ]
            )
        }
    ),
}


def sku(text: str, nanos: int, usage: str = "OnDemand", unit: str = "h", **price: Any) -> dict[str, Any]:
    rate = {"startUsageAmount": 0, "unitPrice": {"currencyCode": "USD", "units": "0", "nanos": nanos, **price}}
    return {
        "description": text,
        "category": {"resourceFamily": "Compute", "usageType": usage},
        "serviceRegions": ["us-central1", "europe-west4"],
        "pricingInfo": [{"pricingExpression": {"usageUnit": unit, "tieredRates": [rate]}}],
    }


SKUS = {
    "": {
        "skus": [
            sku("G2 Instance Core running in Americas", 24_988_000),
            sku("G2 Instance Ram running in Americas", 2_927_000, unit="GiBy.h"),
            sku("Nvidia L4 GPU running in Americas", 560_040_000),
            sku("Commitment v1: G2 Core in Americas for 1 Year", 1, usage="Commit1Yr"),
        ],
        "nextPageToken": "n",
    },
    "n": {
        "skus": [
            sku("Spot Preemptible G2 Instance Core running in Americas", 9_995_000, "Preemptible"),
            sku("Spot Preemptible G2 Instance Ram running in Americas", 1_170_000, "Preemptible", "GiBy.h"),
            sku("Nvidia L4 GPU attached to Spot Preemptible VMs running in Americas", 224_016_000, "Preemptible"),
            sku("A3 Instance Core running in Americas", 0),
            sku("A3 Instance Ram running in Americas", 3_000_000, unit="mo"),
            sku("Licensing Fee for Windows", 1),
        ]
    },
}


class Gcp:
    """State of the fake project."""

    def __init__(self) -> None:
        self.instances: dict[str, compute_v1.Instance] = {}
        self.failure: dict[str, Any] | None = None
        self.vendor = FakeVendor(
            [
                ("GET", BASE + "/aggregated/machineTypes", lambda asked: Answer(to_rest(PAGES[asked.query.get("pageToken", "")]))),
                ("GET", BASE + "/aggregated/instances", self.list),
                ("GET", BASE + "/regions", self.regions),
                ("POST", ZONE + "/instances", self.insert),
                ("GET", ZONE + "/instances/(?P<name>[^/]+)", self.get),
                ("DELETE", ZONE + "/instances/(?P<name>[^/]+)", self.delete),
                ("POST", ZONE + "/operations/(?P<name>[^/]+)/wait", self.wait),
                ("GET", "/v1/services/6F81-5844-456A/skus", lambda asked: Answer(SKUS[asked.query.get("pageToken", "")])),
            ]
        )

    def insert(self, asked: Asked) -> Answer:
        assert asked.headers["authorization"] == "Bearer testing"
        # Refuses fields that Google's own type does not know.
        instance = compute_v1.Instance.from_json(json.dumps(asked.body), ignore_unknown_fields=False)
        instance.zone, instance.status = f"{self.vendor.url}{BASE}/zones/{asked.parts['zone']}", "RUNNING"
        if self.failure is None:
            self.instances.setdefault(instance.name, instance)
        return Answer(to_rest(compute_v1.Operation(name="op-1", status="RUNNING")))

    def wait(self, asked: Asked) -> Answer:
        return Answer({**to_rest(compute_v1.Operation(name="op-1")), "status": "DONE", **(self.failure or {})})

    def get(self, asked: Asked) -> Answer:
        return Answer(to_rest(self.instances[asked.parts["name"]]))

    def delete(self, asked: Asked) -> Answer:
        if self.instances.pop(asked.parts["name"], None) is None:
            return refusal(404, "notFound")
        return Answer(to_rest(compute_v1.Operation(name="op-2", status="DONE")))

    def list(self, asked: Asked) -> Answer:
        wanted = asked.query["filter"].partition("=")[2]
        found = [each for each in self.instances.values() if not wanted or each.labels["headrace-launch-token"] == wanted]
        scoped = compute_v1.InstancesScopedList(instances=found)
        return Answer(to_rest(compute_v1.InstanceAggregatedList(items={"zones/us-central1-a": scoped})))

    def regions(self, asked: Asked) -> Answer:
        rows = [("NVIDIA_L4_GPUS", 8, 2), ("PREEMPTIBLE_NVIDIA_L4_GPUS", 16, 1), ("CPUS", 100, 5)]
        quotas = [compute_v1.Quota(metric=metric, limit=limit, usage=usage) for metric, limit, usage in rows]
        return Answer(to_rest(compute_v1.RegionList(items=[compute_v1.Region(name="us-central1", quotas=quotas)])))


def refusal(status: int, reason: str) -> Answer:
    return Answer({"error": {"code": status, "message": reason, "errors": [{"reason": reason, "message": reason}]}}, status)


class Credentials(google_credentials.Credentials):  # type: ignore[misc, no-untyped-call]
    """A signed-in identity. ``refresh`` must set a token, or a 401 loops."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "testing"

    def refresh(self, request: Any) -> None:
        self.token = "testing"


class NoCredentials(Credentials):
    def __init__(self) -> None:
        super().__init__()
        self.token = None

    def refresh(self, request: Any) -> None:
        raise RefreshError("nobody is signed in")


@pytest.fixture
def gcp() -> Iterator[Gcp]:
    fake = Gcp()
    with fake.vendor:
        yield fake


def account(gcp: Gcp, *regions: str, credentials: Credentials | None = None, **options: str) -> Provider:
    options.setdefault("image", "projects/x/global/images/gpu")
    settings = ProviderSettings("gcp", "gcp", account="main", regions=regions, options=options)
    api = GcpApi("p1", gcp.vendor.url, credentials or Credentials())
    return assemble(settings, api, BillingCatalogue(lambda: "key", gcp.vendor.url), lambda: NOW)


async def pages(source: Provider) -> list[OfferPage]:
    return [page async for page in source.offers.read_offers()]


async def offer(source: Provider) -> Offer:
    return next(each for page in await pages(source) for each in page.offers if each.id.endswith("us-central1-a/g2-standard-4/spot"))


async def request(source: Provider, token: str = "Token_1") -> LaunchRequest:
    return LaunchRequest("Node 1", "gcp-us-central1", token, await offer(source), "#!/bin/sh\n")
