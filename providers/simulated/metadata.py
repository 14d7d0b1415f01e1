"""The metadata service inside each machine, in its vendor's own form, so that node watchers need no special case.

Pure: a request's parts and a machine in, an answer out. Forms and sources:

- AWS: IMDSv2, ``spot/instance-action`` (EC2 user guide, "Spot Instance interruption notices").
- Google: ``instance/preempted`` (Compute Engine, "Preemption process").
- Azure: Scheduled Events (Virtual Machines, "Scheduled Events for Linux VMs").
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from providers.simulated.holding import Holding

AWS_TOKEN_TTL_S_MAX = 21_600


@dataclass(frozen=True, slots=True)
class MetadataRequest:
    """What a process inside the machine asked. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MetadataAnswer:
    status: int
    body: str
    content_type: str = "text/plain"


def answer(cloud: str, holding: Holding, request: MetadataRequest) -> MetadataAnswer:
    """What the cloud's metadata service says to this machine; 404 for clouds that have none."""
    match cloud:
        case "aws":
            return _aws(holding, request)
        case "gcp":
            return _gcp(holding, request)
        case "azure":
            return _azure(holding, request)
        case _:
            return MetadataAnswer(404, "this cloud has no metadata service")


def _aws(holding: Holding, request: MetadataRequest) -> MetadataAnswer:
    token = hashlib.sha256(f"imds:{holding.machine}".encode()).hexdigest()[:40]
    if request.path == "/latest/api/token":
        ttl = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if request.method != "PUT":
            return MetadataAnswer(405, "")
        return MetadataAnswer(200, token) if ttl.isdigit() and 1 <= int(ttl) <= AWS_TOKEN_TTL_S_MAX else MetadataAnswer(400, "")
    if request.headers.get("x-aws-ec2-metadata-token") != token:
        return MetadataAnswer(401, "")
    region, zone, instance_type = holding.offer_id.split("/")[2:5]
    match request.path:
        case "/latest/meta-data/spot/instance-action" if holding.deadline is not None:
            body = {"action": "terminate", "time": _zulu(holding.deadline)}
            return MetadataAnswer(200, json.dumps(body), "application/json")
        case "/latest/meta-data/spot/termination-time" if holding.deadline is not None:
            return MetadataAnswer(200, _zulu(holding.deadline))
        case "/latest/meta-data/instance-id":
            return MetadataAnswer(200, holding.machine)
        case "/latest/meta-data/instance-type":
            return MetadataAnswer(200, instance_type)
        case "/latest/meta-data/placement/region":
            return MetadataAnswer(200, region)
        case "/latest/meta-data/placement/availability-zone":
            return MetadataAnswer(200, zone)
        case _:
            return MetadataAnswer(404, "")


def _gcp(holding: Holding, request: MetadataRequest) -> MetadataAnswer:
    if request.headers.get("metadata-flavor") != "Google":
        return MetadataAnswer(403, "Missing required header: Metadata-Flavor")
    match request.path:
        case "/computeMetadata/v1/instance/preempted":
            return MetadataAnswer(200, "TRUE" if holding.deadline is not None else "FALSE", "application/text")
        case "/computeMetadata/v1/instance/id":
            return MetadataAnswer(200, holding.machine, "application/text")
        case "/computeMetadata/v1/instance/zone":
            return MetadataAnswer(200, f"projects/0/zones/{holding.offer_id.split('/')[3]}", "application/text")
        case _:
            return MetadataAnswer(404, "")


def _azure(holding: Holding, request: MetadataRequest) -> MetadataAnswer:
    if request.headers.get("metadata", "").lower() != "true":
        return MetadataAnswer(400, json.dumps({"error": "Bad request. 'Metadata: true' header is required"}), "application/json")
    if request.path != "/metadata/scheduledevents":
        return MetadataAnswer(404, "")
    if not request.query.get("api-version"):
        return MetadataAnswer(400, json.dumps({"error": "Bad request. api-version is required"}), "application/json")
    events: list[dict[str, object]] = []
    if holding.deadline is not None:
        events.append(
            {
                "EventId": hashlib.sha256(f"event:{holding.machine}".encode()).hexdigest()[:32].upper(),
                "EventStatus": "Scheduled",
                "EventType": "Preempt",
                "ResourceType": "VirtualMachine",
                "Resources": [holding.machine],
                # Azure writes RFC 1123 dates here.
                "NotBefore": format_datetime(holding.deadline, usegmt=True),
                "Description": "",
                "EventSource": "Platform",
                "DurationInSeconds": -1,
            }
        )
    return MetadataAnswer(200, json.dumps({"DocumentIncarnation": 1 + len(events), "Events": events}), "application/json")


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
