"""A fake AWS: moto, extended where moto has nothing or a constant: prices, quotas, reservations, refusals.

The additions sit where botocore sends, so every request has passed botocore's own validation and every answer its parser.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from providers.aws import provider
from scheduler.domain.offer import CapacityType, Offer
from scheduler.domain.ports import LaunchRequest, OfferPage, Provider, ProviderSettings
from simulations.vendors.trial import NoPace

NOW = datetime(2026, 11, 1, tzinfo=UTC)
XMLNS = "http://ec2.amazonaws.com/doc/2016-11-15/"


class Raw:
    """A body as urllib3 would give it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body

    def read(self, *_: Any, **__: Any) -> bytes:
        return self._body


@dataclass
class Extension:
    """Answers for what moto lacks, and orders to refuse."""

    spot: str = "0.3219"
    price: str = "0.8048000000"
    refuse: dict[str, tuple[int, str]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    _launched: dict[str, str] = field(default_factory=dict)

    def on_send(self, request: AWSPreparedRequest) -> AWSResponse | None:
        operation = self._operation(request)
        self.calls[operation] += 1
        if operation in self.refuse:
            status, code = self.refuse[operation]
            body = f"<Response><Errors><Error><Code>{code}</Code><Message>no</Message></Error></Errors><RequestID>r</RequestID></Response>"
            return self._reply(request, status, body, "text/xml")
        match operation:
            case "GetProducts":
                return self._reply(request, 200, json.dumps({"FormatVersion": "aws_v1", "PriceList": self._price_list(request)}))
            case "ListServiceQuotas":
                return self._reply(request, 200, json.dumps({"Quotas": QUOTAS}))
            case "DescribeSpotPriceHistory":
                return self._reply(request, 200, self._spot_history(), "text/xml")
            case "DescribeCapacityReservations":
                return self._reply(request, 200, RESERVATIONS, "text/xml")
        return None

    def replayed(self, request: AWSPreparedRequest) -> AWSResponse | None:
        """EC2 answers a known client token with the machine it made then; moto makes another."""
        body = self._launched.get(self._client_token(request))
        return None if body is None else self._reply(request, 200, body, "text/xml")

    def remember(self, request: AWSPreparedRequest, answer: AWSResponse | None) -> None:
        token = self._client_token(request)
        if token and answer is not None and answer.status_code == 200:
            self._launched[token] = answer.text
            answer.raw = Raw(answer.content)

    @classmethod
    def _client_token(cls, request: AWSPreparedRequest) -> str:
        if cls._operation(request) != "RunInstances":
            return ""
        return parse_qs(request.body.decode() if isinstance(request.body, bytes) else str(request.body))["ClientToken"][0]

    @staticmethod
    def _operation(request: AWSPreparedRequest) -> str:
        target = request.headers.get("X-Amz-Target", "")
        name = target.decode() if isinstance(target, bytes) else target
        if name:
            return str(name.rpartition(".")[2])
        body = request.body.decode() if isinstance(request.body, bytes) else str(request.body or "")
        return parse_qs(body).get("Action", [""])[0]

    @staticmethod
    def _reply(request: AWSPreparedRequest, status: int, body: str, kind: str = "application/x-amz-json-1.1") -> AWSResponse:
        return AWSResponse(request.url, status, {"Content-Type": kind}, Raw(body.encode()))

    def _price_list(self, request: AWSPreparedRequest) -> list[str]:
        if "GPU instance" not in str(request.body):
            return []
        rows = [price_row("g6.xlarge", self.price), price_row("p5.48xlarge", "55.04"), price_row("g5.xlarge", "NaN")]
        rows.append(price_row("g6.2xlarge", "0.0000000000"))
        return [json.dumps(row) for row in rows] + ["{not json"]

    def _spot_history(self) -> str:
        rows = [
            ("g6.xlarge", "us-east-1a", self.spot, "2026-10-31T23:00:00.000Z"),
            ("g6.xlarge", "us-east-1a", "9.9999", "2026-10-30T23:00:00.000Z"),
            ("g6.xlarge", "us-east-1b", "-1", "2026-10-31T23:00:00.000Z"),
        ]
        items = "".join(
            f"<item><instanceType>{name}</instanceType><productDescription>Linux/UNIX</productDescription><spotPrice>{price}</spotPrice>"
            f"<timestamp>{at}</timestamp><availabilityZone>{zone}</availabilityZone></item>"
            for name, zone, price, at in rows
        )
        return (
            f'<DescribeSpotPriceHistoryResponse xmlns="{XMLNS}"><requestId>r</requestId><spotPriceHistorySet>{items}</spotPriceHistorySet>'
            "<nextToken/></DescribeSpotPriceHistoryResponse>"
        )


def price_row(name: str, usd: str) -> dict[str, Any]:
    attributes = {"instanceType": name, "regionCode": "us-east-1", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used"}
    attributes |= {"operatingSystem": "Linux", "marketoption": "OnDemand"}
    dimension = {"unit": "Hrs", "pricePerUnit": {"USD": usd}}
    return {"product": {"attributes": attributes}, "terms": {"OnDemand": {"T": {"priceDimensions": {"D": dimension}}}}}


QUOTAS = [
    {"ServiceCode": "ec2", "QuotaCode": "L-DB2E81BA", "QuotaName": "Running On-Demand G and VT instances", "Value": 64.0},
    {"ServiceCode": "ec2", "QuotaCode": "L-3819A6DF", "QuotaName": "All G and VT Spot Instance Requests", "Value": 16.0},
    {"ServiceCode": "ec2", "QuotaCode": "L-417A185B", "QuotaName": "Running On-Demand P instances", "Value": 192.0},
    {"ServiceCode": "ec2", "QuotaCode": "L-0263D0A3", "QuotaName": "EC2-VPC Elastic IPs", "Value": 5.0},
]
RESERVATIONS = (
    f'<DescribeCapacityReservationsResponse xmlns="{XMLNS}"><requestId>r</requestId><capacityReservationSet><item>'
    "<capacityReservationId>cr-1</capacityReservationId><instanceType>g6.xlarge</instanceType><availabilityZone>us-east-1a</availabilityZone>"
    "<totalInstanceCount>2</totalInstanceCount><availableInstanceCount>1</availableInstanceCount><state>active</state>"
    "<startDate>2026-10-01T00:00:00.000Z</startDate></item></capacityReservationSet></DescribeCapacityReservationsResponse>"
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Extension]:
    extension = Extension()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    moto_answers = BotocoreStubber.__call__

    def answers(stubber: BotocoreStubber, event_name: str, request: AWSPreparedRequest, **rest: Any) -> AWSResponse | None:
        answer = extension.on_send(request) or extension.replayed(request)
        if answer is None:
            answer = moto_answers(stubber, event_name, request, **rest)
            extension.remember(request, answer)
        return answer

    with mock_aws():
        monkeypatch.setattr(BotocoreStubber, "__call__", answers)
        yield extension


def account(*regions: str, **options: str) -> Provider:
    options.setdefault("image", "ami-03cf127a")
    settings = ProviderSettings("aws", "aws", account="main", regions=regions or ("us-east-1",), options=options)
    return provider(settings, {}, lambda: NOW, NoPace())


async def pages(source: Provider) -> list[OfferPage]:
    return [page async for page in source.offers.read_offers()]


async def offer(source: Provider, capacity: CapacityType = CapacityType.ON_DEMAND) -> Offer:
    return next(
        each
        for page in await pages(source)
        for each in page.offers
        if each.instance_type.name == "g6.xlarge" and each.capacity_type is capacity and each.zone == "us-east-1a"
    )


async def request(source: Provider, token: str = "token-1", capacity: CapacityType = CapacityType.ON_DEMAND) -> LaunchRequest:
    return LaunchRequest("node-1", "aws-us-east-1", token, await offer(source, capacity), "#!/bin/sh\n")
