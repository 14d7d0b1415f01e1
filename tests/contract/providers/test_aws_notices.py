"""AWS's notices from an SQS queue, as EventBridge puts them there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from providers.aws import notices, provider
from providers.aws.notices import notice
from scheduler.domain.errors import InvalidInputError, ProviderError
from scheduler.domain.events import EventKind
from scheduler.domain.ports import NoticeSource, ProviderSettings
from simulations.vendors.trial import NoPace

AT = datetime(2026, 7, 20, 12, 0, tzinfo=UTC)


def event(kind: str, machine: str = "i-0abc") -> str:
    return json.dumps(
        {"version": "0", "id": "e", "detail-type": kind, "source": "aws.ec2", "account": "1", "time": "2026-07-20T12:00:00Z",
         "region": "us-east-1", "resources": [], "detail": {"instance-id": machine, "instance-action": "terminate"}}
    )  # fmt: skip


def test_a_warning_has_two_minutes_and_a_recommendation_no_deadline() -> None:
    told = notice(event("EC2 Spot Instance Interruption Warning"))
    assert told is not None
    assert (told[0], told[1].kind, told[1].deadline) == ("i-0abc", EventKind.INTERRUPTION_NOTICE, AT + timedelta(minutes=2))
    advice = notice(event("EC2 Instance Rebalance Recommendation"))
    assert advice is not None
    assert (advice[1].kind, advice[1].deadline) == (EventKind.REBALANCE_RECOMMENDATION, None)


@pytest.mark.parametrize("body", ["", "no json", "[]", "{}", event("EC2 Instance State-change Notification")])
def test_what_is_no_notice_is_left_out(body: str) -> None:
    assert notice(body) is None


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(notices, "WAIT_S", 0)
    with mock_aws():
        client = boto3.client("sqs", "us-east-1", aws_access_key_id="k", aws_secret_access_key="s")
        yield client, client.create_queue(QueueName="headrace-notices")["QueueUrl"]


def reader(url: str) -> NoticeSource:
    settings = ProviderSettings("aws", "aws", options={"notice_queue_url": url})
    environ = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    made = provider(settings, environ, lambda: datetime.now(tz=UTC), NoPace())  # noqa: TID251
    assert made.capabilities.notices
    assert made.notices is not None
    return made.notices


async def test_a_message_is_told_once_and_deleted_when_it_has_been_stored(queue: Any) -> None:
    client, url = queue
    client.send_message(QueueUrl=url, MessageBody=event("EC2 Spot Instance Interruption Warning"))
    client.send_message(QueueUrl=url, MessageBody="nonsense")
    source = reader(url)
    told = [each for _ in range(2) for each in await source.read_notices()]
    assert [machine for machine, _ in told] == ["i-0abc"]
    assert await source.read_notices() == []
    counts = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


async def test_a_queue_that_is_not_there_is_an_error_of_the_provider(queue: Any) -> None:
    with pytest.raises(ProviderError):
        await reader(f"{queue[1]}-other").read_notices()


def test_what_is_no_queue_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="notice_queue_url"):
        reader("https://example.org/notices")
