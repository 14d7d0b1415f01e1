"""Calls to AWS through boto3, which is imported when first used. Synchronous; the adapter runs it in threads.

Pages are walked here, errors are mapped here, nothing is understood here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from providers.aws.errors import mapped
from providers.aws.parse import LINUX, QUOTA_CODES

if TYPE_CHECKING:
    from botocore.client import BaseClient

HOME_REGION = "us-east-1"
"""Where the price list answers, and where the list of regions is asked for."""

Row = dict[str, Any]


class AwsApi:
    """Clients of one account, one per service, region and purpose."""

    def __init__(self, endpoint: str, profile: str = "") -> None:
        """``endpoint`` "" is AWS itself; ``profile`` a name in the AWS configuration."""
        self._endpoint, self._profile = endpoint, profile
        self._clients: dict[tuple[str, str, bool], BaseClient] = {}
        self._lock = threading.Lock()

    def regions(self) -> list[str]:
        """Regions this account may use."""
        with mapped("DescribeRegions"):
            answer = self._client("ec2", HOME_REGION).describe_regions()  # type: ignore[attr-defined]
            return sorted(row["RegionName"] for row in answer["Regions"])

    def instance_types(self, region: str) -> list[Row]:
        """Types of the families that have accelerators; the parser keeps those that really do."""
        families = [{"Name": "instance-type", "Values": ["g*", "p*", "inf*", "trn*", "dl*"]}]
        return self._pages(region, "ec2", "describe_instance_types", "InstanceTypes", Filters=families)

    def offerings(self, region: str, names: Sequence[str]) -> list[Row]:
        """Which of the types each zone has."""
        found: list[Row] = []
        for start in range(0, len(names), 100):
            wanted = [{"Name": "instance-type", "Values": list(names[start : start + 100])}]
            found += self._pages(
                region, "ec2", "describe_instance_type_offerings", "InstanceTypeOfferings",
                LocationType="availability-zone", Filters=wanted,
            )  # fmt: skip
        return found

    def spot_prices(self, region: str, names: Sequence[str], now: datetime) -> list[Row]:
        """Present spot prices: with the start at the present, AWS answers the price in force."""
        found: list[Row] = []
        for start in range(0, len(names), 100):
            found += self._pages(
                region, "ec2", "describe_spot_price_history", "SpotPriceHistory",
                InstanceTypes=list(names[start : start + 100]), ProductDescriptions=[LINUX], StartTime=now,
            )  # fmt: skip
        return found

    def price_list(self, region: str) -> list[str]:
        """Linux on-demand price list entries of GPU and machine-learning instances in a region, as JSON strings."""
        found: list[str] = []
        for family in ("GPU instance", "Machine Learning ASIC Instances"):
            terms = {"regionCode": region, "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
                     "capacitystatus": "Used", "instanceFamily": family}  # fmt: skip
            filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in terms.items()]
            found += self._pages(HOME_REGION, "pricing", "get_products", "PriceList", ServiceCode="AmazonEC2", Filters=filters)
        return found

    def quotas(self, region: str) -> list[Row]:
        """The vCPU quotas that GPUs draw on."""
        rows = self._pages(region, "service-quotas", "list_service_quotas", "Quotas", ServiceCode="ec2")
        return [row for row in rows if row.get("QuotaCode") in QUOTA_CODES]

    def reservations(self, region: str) -> list[Row]:
        """Capacity reservations and blocks."""
        return self._pages(region, "ec2", "describe_capacity_reservations", "CapacityReservations")

    def instances(self, region: str, filters: Sequence[Row]) -> list[Row]:
        """Instances that match."""
        rows = self._pages(region, "ec2", "describe_instances", "Reservations", Filters=list(filters))
        return [instance for row in rows for instance in row["Instances"]]

    def run_instance(self, region: str, order: Row) -> Row:
        """Launch one, once."""
        with mapped("RunInstances"):
            answer = self._client("ec2", region, launching=True).run_instances(**order)  # type: ignore[attr-defined]
            instance: Row = answer["Instances"][0]
            return instance

    def terminate(self, region: str, instance_id: str) -> None:
        """Give one back."""
        with mapped("TerminateInstances"):
            self._client("ec2", region).terminate_instances(InstanceIds=[instance_id])  # type: ignore[attr-defined]

    def _pages(self, region: str, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        with mapped(f"{service}.{operation} in {region}"):
            pages = self._client(service, region).get_paginator(operation).paginate(**arguments)
            return [row for page in pages for row in page.get(key) or ()]

    def _client(self, service: str, region: str, *, launching: bool = False) -> BaseClient:
        """Capacity errors are 5xx and botocore would repeat them: what launches is sent once."""
        import boto3
        from botocore.config import Config

        with self._lock:
            key = (service, region, launching)
            if key not in self._clients:
                config = Config(
                    retries={"total_max_attempts": 1 if launching else 4, "mode": "standard"},
                    connect_timeout=5,
                    read_timeout=30,
                    user_agent_extra="headrace",
                )
                session = boto3.Session(profile_name=self._profile or None, region_name=region)
                create: Callable[..., BaseClient] = session.client
                self._clients[key] = create(service, region_name=region, endpoint_url=self._endpoint or None, config=config)
            return self._clients[key]
