"""Calls to AWS through boto3, which is imported when first used and blocks: its calls run in threads.

Pages are walked here, errors are mapped here, nothing is understood here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from providers.aws.errors import PROVIDER, mapped
from providers.aws.parse import LINUX, QUOTA_CODES
from providers.aws.signer import AwsTime
from providers.http import checked_endpoint
from providers.rest import budget_of, rows, walked
from providers.sdk import SdkCalls
from scheduler.domain.errors import TransientError
from scheduler.domain.ports import Clock, Pace, ProviderSettings

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.client import BaseClient
    from botocore.loaders import Loader

HOME_REGION = "us-east-1"
"""Where the price list answers, and where the list of regions is asked for."""

NAMES_MAX = 100
"""Instance types that one filter takes."""

Row = dict[str, Any]


class AwsApi:
    """Clients of one account, one per service and region."""

    def __init__(self, settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> None:
        """A named profile comes first, then the keys of ``environ``, then boto3's standard chain; no endpoint is AWS itself."""
        self._endpoint = checked_endpoint("endpoint", settings.endpoint) if settings.endpoint else None
        self._profile, self._environ, self._clock = settings.options.get("profile", ""), environ, clock
        self._calls = SdkCalls(PROVIDER, mapped, settings, pace, per_s=10, burst=20)
        self._launching = budget_of(settings, "launch", per_s=2, burst=5)
        self._session: Session | None = None
        self._time: AwsTime | None = None
        self._clients: dict[tuple[str, str], BaseClient] = {}
        self._lock = threading.Lock()

    async def regions(self) -> list[str]:
        """Regions this account may use."""
        answer = await self._ask("ec2", HOME_REGION, "describe_regions", {})
        return sorted(row["RegionName"] for row in rows(PROVIDER, answer, "Regions"))

    async def instance_types(self, region: str) -> list[Row]:
        """Types of the families that have accelerators; the parser keeps those that really do."""
        families = [{"Name": "instance-type", "Values": ["g*", "p*", "inf*", "trn*", "dl*"]}]
        return await self._listed("ec2", region, "describe_instance_types", "InstanceTypes", Filters=families)

    async def offerings(self, region: str, names: Sequence[str]) -> list[Row]:
        """Which of the types each zone has."""
        found: list[Row] = []
        for start in range(0, len(names), NAMES_MAX):
            wanted = [{"Name": "instance-type", "Values": list(names[start : start + NAMES_MAX])}]
            found += await self._listed(
                "ec2", region, "describe_instance_type_offerings", "InstanceTypeOfferings", LocationType="availability-zone", Filters=wanted
            )
        return found

    async def spot_prices(self, region: str, names: Sequence[str], now: datetime) -> list[Row]:
        """Present spot prices: with the start at the present, AWS answers the price in force."""
        found: list[Row] = []
        for start in range(0, len(names), NAMES_MAX):
            wanted = {"InstanceTypes": list(names[start : start + NAMES_MAX]), "ProductDescriptions": [LINUX], "StartTime": now}
            found += await self._listed("ec2", region, "describe_spot_price_history", "SpotPriceHistory", **wanted)
        return found

    async def price_list(self, region: str) -> list[str]:
        """Linux on-demand price list entries of GPU and machine-learning instances in a region, as JSON strings."""
        found: list[str] = []
        for family in ("GPU instance", "Machine Learning ASIC Instances"):
            terms = {"regionCode": region, "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA",
                     "capacitystatus": "Used", "instanceFamily": family}  # fmt: skip
            filters = [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in terms.items()]
            found += await self._listed("pricing", HOME_REGION, "get_products", "PriceList", ServiceCode="AmazonEC2", Filters=filters)
        return found

    async def quotas(self, region: str) -> list[Row]:
        """The vCPU quotas that GPUs draw on."""
        found = await self._listed("service-quotas", region, "list_service_quotas", "Quotas", ServiceCode="ec2")
        return [row for row in found if row.get("QuotaCode") in QUOTA_CODES]

    async def reservations(self, region: str) -> list[Row]:
        """Capacity reservations and blocks."""
        return await self._listed("ec2", region, "describe_capacity_reservations", "CapacityReservations")

    async def instances(self, region: str, filters: Sequence[Row]) -> list[Row]:
        """Instances that match."""
        found = await self._listed("ec2", region, "describe_instances", "Reservations", Filters=list(filters))
        return [instance for row in found for instance in row["Instances"]]

    async def run_instance(self, region: str, order: Row) -> Row:
        """Launch one, once."""
        answer = await self._order(region, "run_instances", order)
        if not answer.get("Instances"):
            raise TransientError(PROVIDER, "launched, but the answer names no instance")
        instance: Row = answer["Instances"][0]
        return instance

    async def terminate(self, region: str, instance_id: str) -> None:
        """Give one back."""
        await self._order(region, "terminate_instances", {"InstanceIds": [instance_id]})

    async def messages(self, region: str, queue_url: str, at_once: int, wait_s: int) -> list[Row]:
        """Messages of a queue; waits for the first one."""
        wanted = {"QueueUrl": queue_url, "MaxNumberOfMessages": at_once, "WaitTimeSeconds": wait_s}
        answer = await self._ask("sqs", region, "receive_message", wanted)
        return list(answer.get("Messages", ()))

    async def delete_messages(self, region: str, queue_url: str, entries: Sequence[Row]) -> None:
        """Take messages that were received out of their queue; repeating it does no harm."""
        await self._ask("sqs", region, "delete_message_batch", {"QueueUrl": queue_url, "Entries": list(entries)})

    async def _listed(self, service: str, region: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        async def page(token: str) -> tuple[list[Any], str]:
            answer = await self._ask(service, region, operation, {**arguments, **({"NextToken": token} if token else {})})
            return rows(PROVIDER, answer, key), str(answer.get("NextToken") or "")

        return await walked(PROVIDER, page)

    async def _ask(self, service: str, region: str, operation: str, arguments: Mapping[str, Any]) -> Row:
        client, what = await self._client(service, region), f"{service}.{operation} in {region}"
        return await self._calls.read(what, lambda: self._sent(client, operation, arguments))

    async def _order(self, region: str, operation: str, arguments: Mapping[str, Any]) -> Row:
        client, what = await self._client("ec2", region), f"ec2.{operation} in {region}"
        return await self._calls.once(what, lambda: self._sent(client, operation, arguments), budget=self._launching)

    def _sent(self, client: BaseClient, operation: str, arguments: Mapping[str, Any]) -> Row:
        """One call. What AWS refused because of its time was not carried out and is sent again."""
        from botocore.exceptions import ClientError

        call: Callable[..., Row] = getattr(client, operation)
        try:
            return call(**arguments)
        except ClientError as error:
            if self._time is None or not self._time.refused(error.response):
                raise
        return call(**arguments)

    async def _client(self, service: str, region: str) -> BaseClient:
        known = self._clients.get((service, region))
        return known if known is not None else await self._calls.ready("credentials", lambda: self._made(service, region))

    def _made(self, service: str, region: str) -> BaseClient:
        from botocore.config import Config

        with self._lock:
            if (service, region) not in self._clients:
                timeout_s = self._calls.timeout_s
                # Capacity errors are 5xx and botocore would repeat them: reads are repeated above, launches never.
                config = Config(
                    retries={"total_max_attempts": 1, "mode": "standard"},
                    connect_timeout=timeout_s,
                    read_timeout=timeout_s,
                    user_agent_extra="headrace",
                )
                self._session, self._time = self._session or self._signed_in(), self._time or AwsTime(self._clock)
                create: Callable[..., BaseClient] = self._session.client
                client = create(service, region_name=region, endpoint_url=self._endpoint, config=config)
                self._time.carried_by(client)
                self._clients[service, region] = client
            return self._clients[service, region]

    def _signed_in(self) -> Session:
        from boto3.session import Session
        from botocore.session import Session as Core

        core = Core()
        core.register_component("data_loader", _models())
        if self._profile:
            return Session(profile_name=self._profile, botocore_session=core)
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        access, secret, token = (self._environ.get(name) or None for name in names)
        return Session(access, secret, token, botocore_session=core) if access and secret else Session(botocore_session=core)


@cache
def _models() -> Loader:
    """AWS's service models, read once for all accounts: EC2's alone takes 20 MiB."""
    from botocore.loaders import create_loader

    return create_loader()
