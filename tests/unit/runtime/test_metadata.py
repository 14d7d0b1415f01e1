"""What each cloud's metadata service says, and what we make of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.domain.events import EventKind
from scheduler.runtime.metadata import MetadataError, aws_findings, azure_findings, gcp_findings
from tests.builders import NOW

PREEMPT: dict[str, object] = {
    "EventId": "1",
    "EventType": "Preempt",
    "Resources": ["vm-1"],
    "EventStatus": "Scheduled",
    "NotBefore": "Tue, 30 Jun 2026 12:00:30 GMT",
}


def azure(*events: dict[str, object]) -> bytes:
    return json.dumps({"DocumentIncarnation": 1, "Events": events}).encode()


def test_aws_says_nothing_with_two_missing_documents() -> None:
    assert aws_findings(None, None) == ()


def test_aws_interruption_carries_its_deadline() -> None:
    (finding,) = aws_findings(b'{"action": "terminate", "time": "2026-06-30T12:02:00Z"}', None)
    assert (finding.kind, finding.deadline) == (EventKind.INTERRUPTION_NOTICE, datetime(2026, 6, 30, 12, 2, tzinfo=UTC))


def test_aws_rebalance_is_a_recommendation_without_deadline() -> None:
    (finding,) = aws_findings(None, b'{"noticeTime": "2026-06-30T12:00:00Z"}')
    assert (finding.kind, finding.deadline) == (EventKind.REBALANCE_RECOMMENDATION, None)


@pytest.mark.parametrize("raw", [b"<html>", b"[]", b'{"action": "terminate", "time": "soon"}', b'{"action": "terminate"}'])
def test_aws_nonsense_is_an_error_and_no_notice(raw: bytes) -> None:
    with pytest.raises(MetadataError):
        aws_findings(raw, None)


def test_gcp_gives_thirty_seconds_from_first_sight() -> None:
    (finding,) = gcp_findings(b"TRUE\n", NOW)
    assert finding.deadline == NOW + timedelta(seconds=30)
    assert gcp_findings(b"FALSE", NOW) == ()
    with pytest.raises(MetadataError):
        gcp_findings(b"<html>", NOW)


def test_azure_preempt_of_this_machine_is_an_interruption() -> None:
    (finding,) = azure_findings(azure(PREEMPT), "vm-1")
    assert (finding.kind, finding.deadline) == (EventKind.INTERRUPTION_NOTICE, datetime(2026, 6, 30, 12, 0, 30, tzinfo=UTC))


def test_azure_events_of_other_machines_are_not_ours() -> None:
    assert azure_findings(azure(PREEMPT), "vm-2") == ()


def test_azure_event_that_has_begun_has_no_time() -> None:
    (finding,) = azure_findings(azure({**PREEMPT, "NotBefore": "", "EventStatus": "Started"}), "vm-1")
    assert finding.deadline is None


def test_azure_redeploy_is_a_recommendation_and_freeze_is_nothing() -> None:
    found = azure_findings(azure({**PREEMPT, "EventType": "Redeploy"}, {**PREEMPT, "EventType": "Freeze"}), "vm-1")
    assert [finding.kind for finding in found] == [EventKind.REBALANCE_RECOMMENDATION]


def test_azure_without_a_list_is_an_error() -> None:
    with pytest.raises(MetadataError):
        azure_findings(b'{"Events": null}', "vm-1")
