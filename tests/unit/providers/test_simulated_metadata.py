"""Metadata services answer in their vendors' own forms."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from providers.simulated.holding import Holding
from providers.simulated.metadata import MetadataAnswer, MetadataRequest, answer

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
DEADLINE = datetime(2026, 11, 1, 12, 2, tzinfo=UTC)
HOLDING = Holding("i-1", "aws/simulated/us-east-1/us-east-1a/g6.xlarge/spot", "token", NOW)
NOTICED = replace(HOLDING, noticed_at=NOW, deadline=DEADLINE)
ACTION = "/latest/meta-data/spot/instance-action"


def ask(cloud: str, holding: Holding, path: str, *, method: str = "GET", **headers: str) -> MetadataAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    query = {"api-version": "2020-07-01"} if cloud == "azure" else {}
    return answer(cloud, holding, MetadataRequest(method, path, query, named))


def test_aws_wants_a_session_token_that_a_put_gives() -> None:
    assert ask("aws", NOTICED, ACTION).status == 401
    assert ask("aws", NOTICED, "/latest/api/token", method="PUT").status == 400
    token = ask("aws", NOTICED, "/latest/api/token", method="PUT", x_aws_ec2_metadata_token_ttl_seconds="60").body
    reply = ask("aws", NOTICED, ACTION, x_aws_ec2_metadata_token=token)
    assert json.loads(reply.body) == {"action": "terminate", "time": "2026-11-01T12:02:00Z"}


def test_aws_has_no_instance_action_before_the_notice() -> None:
    token = ask("aws", HOLDING, "/latest/api/token", method="PUT", x_aws_ec2_metadata_token_ttl_seconds="60").body
    assert ask("aws", HOLDING, ACTION, x_aws_ec2_metadata_token=token).status == 404
    assert ask("aws", HOLDING, "/latest/meta-data/placement/availability-zone", x_aws_ec2_metadata_token=token).body == "us-east-1a"


def test_google_says_preempted_in_capitals_to_those_who_say_google() -> None:
    path = "/computeMetadata/v1/instance/preempted"
    assert ask("gcp", NOTICED, path).status == 403
    assert ask("gcp", HOLDING, path, metadata_flavor="Google").body == "FALSE"
    assert ask("gcp", NOTICED, path, metadata_flavor="Google").body == "TRUE"


def test_azure_schedules_a_preempt_event() -> None:
    path = "/metadata/scheduledevents"
    assert ask("azure", NOTICED, path).status == 400
    assert json.loads(ask("azure", HOLDING, path, metadata="true").body)["Events"] == []
    (event,) = json.loads(ask("azure", NOTICED, path, metadata="true").body)["Events"]
    assert (event["EventType"], event["EventStatus"], event["Resources"]) == ("Preempt", "Scheduled", ["i-1"])
    assert parsedate_to_datetime(event["NotBefore"]) == DEADLINE


def test_a_cloud_without_metadata_says_so() -> None:
    assert ask("lambda", NOTICED, "/").status == 404
