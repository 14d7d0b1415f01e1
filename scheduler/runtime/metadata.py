"""What the clouds' metadata services say about taking a node back: pure parsers, one per cloud.

Sources: AWS "Spot Instance interruption notices" and "EC2 instance rebalance recommendations" (IMDS paths
``spot/instance-action`` and ``events/recommendations/rebalance``); Google "Spot VMs: detect preemption"
(``instance/preempted``, 30 s of warning); Azure "Scheduled Events for Linux VMs" (``scheduledevents``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from scheduler.domain.events import EventKind

GCP_WARNING = timedelta(seconds=30)
_AZURE_TAKES_NODE = frozenset({"Preempt", "Terminate"})
_AZURE_SHAKES_NODE = frozenset({"Reboot", "Redeploy"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One warning as read, before it is tied to a node id.

    Attributes:
        deadline: when the node is taken; None for a recommendation.
        evidence: the service's own words, cut to 300 characters.
    """

    kind: EventKind
    deadline: datetime | None
    evidence: str


class MetadataError(ValueError):
    """A metadata service answered something that its documentation does not allow."""


def aws_findings(action: bytes | None, rebalance: bytes | None) -> tuple[Finding, ...]:
    """Read AWS's two documents; None stands for the 404 that means "nothing announced"."""
    found: list[Finding] = []
    if action is not None:
        body = _object(action)
        if body.get("action") in ("terminate", "stop", "hibernate"):
            found.append(Finding(EventKind.INTERRUPTION_NOTICE, _iso(body.get("time")), _words(action)))
    if rebalance is not None:
        _iso(_object(rebalance).get("noticeTime"))
        found.append(Finding(EventKind.REBALANCE_RECOMMENDATION, None, _words(rebalance)))
    return tuple(found)


def gcp_findings(preempted: bytes, now: datetime) -> tuple[Finding, ...]:
    """Read Google's flag; the deadline counts from the moment it is first seen."""
    text = preempted.strip().upper()
    if text == b"TRUE":
        return (Finding(EventKind.INTERRUPTION_NOTICE, now + GCP_WARNING, "instance/preempted TRUE"),)
    if text != b"FALSE":
        raise MetadataError(f"instance/preempted is neither TRUE nor FALSE: {_words(preempted)}")
    return ()


def azure_findings(document: bytes, machine: str) -> tuple[Finding, ...]:
    """Read Azure's scheduled events that concern this machine; the document covers its whole availability set.

    Args:
        machine: the VM's name, "" to accept events for any.
    """
    events = _object(document).get("Events")
    if not isinstance(events, list):
        raise MetadataError(f"scheduled events without a list: {_words(document)}")
    return tuple(finding for event in events if isinstance(event, dict) for finding in _azure_event(event, machine))


def _azure_event(event: dict[str, Any], machine: str) -> Sequence[Finding]:
    resources = event.get("Resources") or []
    if machine and machine not in resources:
        return ()
    evidence = _words(json.dumps(event, sort_keys=True).encode())
    if event.get("EventType") in _AZURE_TAKES_NODE:
        return (Finding(EventKind.INTERRUPTION_NOTICE, _http_date(event.get("NotBefore")), evidence),)
    if event.get("EventType") in _AZURE_SHAKES_NODE:
        return (Finding(EventKind.REBALANCE_RECOMMENDATION, None, evidence),)
    return ()


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise MetadataError(f"not JSON: {_words(raw)}") from error
    if not isinstance(value, dict):
        raise MetadataError(f"not a JSON object: {_words(raw)}")
    return value


def _iso(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise MetadataError(f"not a time: {value!r}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _http_date(value: object) -> datetime | None:
    """Azure writes "Mon, 19 Sep 2016 18:29:47 GMT", and "" once the event has begun."""
    if not value:
        return None
    try:
        return parsedate_to_datetime(str(value)).astimezone(UTC)
    except ValueError as error:
        raise MetadataError(f"not a time: {value!r}") from error


def _words(raw: bytes) -> str:
    return raw[:300].decode(errors="replace")
