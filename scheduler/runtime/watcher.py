"""The node watcher: reads the cloud's metadata service each second and passes warnings on until they are received.

It knows one node and one metadata service, whose base URL is given to it; it decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

import httpx2
import structlog

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.events import EventKind, Notice
from scheduler.domain.ports import Clock
from scheduler.runtime.metadata import Finding, MetadataError, aws_findings, azure_findings, gcp_findings
from scheduler.runtime.protocol import ControlRefusedError, ControlUnreachableError

log = structlog.get_logger(__name__)

POLL_S = 1.0
_READ_TIMEOUT_S = 2.0
_AWS_TOKEN_TTL = timedelta(hours=6)


class MetadataKind(StrEnum):
    AWS = "aws"
    GCP = "gcp"
    AZURE = "azure"
    NONE = "none"


class MetadataReader(Protocol):
    """One cloud's metadata service."""

    async def read(self) -> tuple[Finding, ...]:
        """What is announced now. Raises ``httpx2.HTTPError`` or ``MetadataError``."""
        ...


class AwsMetadata:
    """IMDSv2: every read carries a session token, which is renewed when the service rejects it."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._token = ""

    async def read(self) -> tuple[Finding, ...]:
        action = await self._get("/latest/meta-data/spot/instance-action")
        rebalance = await self._get("/latest/meta-data/events/recommendations/rebalance")
        return aws_findings(action, rebalance)

    async def _get(self, path: str) -> bytes | None:
        answer = await self._http.get(path, headers={"x-aws-ec2-metadata-token": self._token})
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            ttl = {"x-aws-ec2-metadata-token-ttl-seconds": str(int(_AWS_TOKEN_TTL.total_seconds()))}
            fresh = await self._http.put("/latest/api/token", headers=ttl)
            self._token = fresh.raise_for_status().text
            answer = await self._http.get(path, headers={"x-aws-ec2-metadata-token": self._token})
        if answer.status_code == httpx2.codes.NOT_FOUND:
            return None
        return answer.raise_for_status().content


class GcpMetadata:
    """Google's metadata server."""

    def __init__(self, http: httpx2.AsyncClient, clock: Clock) -> None:
        self._http, self._clock = http, clock

    async def read(self) -> tuple[Finding, ...]:
        answer = await self._http.get("/computeMetadata/v1/instance/preempted", headers={"metadata-flavor": "Google"})
        return gcp_findings(answer.raise_for_status().content, self._clock())


class AzureMetadata:
    """Azure's Scheduled Events; the machine's own name is asked for once."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self._machine: str | None = None

    async def read(self) -> tuple[Finding, ...]:
        if self._machine is None:
            query = {"api-version": "2021-02-01", "format": "text"}
            answer = await self._http.get("/metadata/instance/compute/name", params=query, headers={"metadata": "true"})
            self._machine = "" if answer.status_code == httpx2.codes.NOT_FOUND else answer.raise_for_status().text.strip()
        events = await self._http.get("/metadata/scheduledevents", params={"api-version": "2020-07-01"}, headers={"metadata": "true"})
        return azure_findings(events.raise_for_status().content, self._machine)


def metadata_reader(kind: MetadataKind, base_url: str, clock: Clock) -> MetadataReader | None:
    """The reader for one cloud; None where the machine has no such service.

    Raises:
        InvalidInputError: the kind needs a base URL and has none.
    """
    if kind is MetadataKind.NONE:
        return None
    if not base_url:
        raise InvalidInputError("HEADRACE_METADATA_URL", base_url, "missing", f"Give the base URL of the {kind} metadata service.")
    http = httpx2.AsyncClient(base_url=base_url, timeout=_READ_TIMEOUT_S, trust_env=False)
    match kind:
        case MetadataKind.AWS:
            return AwsMetadata(http)
        case MetadataKind.GCP:
            return GcpMetadata(http, clock)
        case _:
            return AzureMetadata(http)


class NodeWatcher:
    """Polls one reader and posts each kind of warning once."""

    def __init__(self, node: str, reader: MetadataReader, post: Callable[[Notice], Awaitable[None]], clock: Clock) -> None:
        self._node, self._reader, self._post, self._clock = node, reader, post, clock
        self._pending: dict[EventKind, Notice] = {}
        self._sent: set[EventKind] = set()
        self._blind = False

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """One look, and one attempt to pass on what is not yet received."""
        try:
            findings = await self._reader.read()
        except (httpx2.HTTPError, MetadataError) as error:
            if not self._blind:
                log.warning("metadata_unreadable", node=self._node, error=repr(error))
            self._blind = True
            findings = ()
        else:
            self._blind = False
        for finding in findings:
            if finding.kind not in self._sent and finding.kind not in self._pending:
                log.warning("notice_received", node=self._node, kind=finding.kind, deadline=str(finding.deadline))
                self._pending[finding.kind] = Notice(self._node, finding.kind, finding.deadline, finding.evidence, self._clock())
        await self._deliver()

    async def _deliver(self) -> None:
        for kind, notice in tuple(self._pending.items()):
            try:
                await self._post(notice)
            except (ControlUnreachableError, ControlRefusedError) as error:
                log.warning("notice_undelivered", node=self._node, kind=kind, error=str(error))
                return
            self._sent.add(kind)
            del self._pending[kind]
