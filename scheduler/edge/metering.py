"""From Envoy's access log to the ledger's rows: parsing, summing by minute, and following the file.

Parsing and summing are pure. The follower remembers how far it read in a small file beside the log, and only once the
rows are safely stored: after a crash lines may be counted twice, and none is lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from scheduler.domain.usage import TokenUsage
from scheduler.edge.envoy_relay import deployment_of

log = structlog.get_logger(__name__)

_CHUNK_BYTES = 4 * 1024 * 1024
"""Read at most this much at a time, so that a long backlog is taken in steps."""


class _Usage(BaseModel):
    """Token counts as Envoy logged them; JSON numbers there are floats."""

    input: float | None = None
    output: float | None = None
    timed_input: float | None = None
    timed_cached: float | None = None
    timed_output: float | None = None

    @property
    def input_tokens(self) -> int:
        if self.input is not None:
            return int(self.input)
        return int((self.timed_input or 0) + (self.timed_cached or 0))

    @property
    def output_tokens(self) -> int:
        return int(self.timed_output or 0) if self.output is None else int(self.output)


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore")

    at: datetime
    status: int = 0
    flags: str | None = None
    deployment: str | None = None
    replica: str | None = None
    tenant: str | None = None
    relayed_replica: str | None = None
    usage: _Usage


@dataclass(frozen=True, slots=True)
class Metered:
    """One request that was routed to a deployment.

    Attributes:
        failed: the client got a 5xx, or the stream broke off.
        tenant: whose key came with it; "" where none was asked for.
    """

    at: datetime
    deployment: str
    replica: str
    failed: bool
    input_tokens: int
    output_tokens: int
    tenant: str = ""


def parse_line(line: bytes) -> Metered | None:
    """Read one line of the access log; None where it led to no deployment.

    Raises:
        ValueError: not a line of our access log.
    """
    try:
        row = _Line.model_validate_json(line)
    except ValidationError as error:
        raise ValueError(f"not an access log line: {error}") from error
    if not row.deployment or row.deployment == "-":
        return None
    broken = row.flags not in (None, "", "-", "DC")
    usage = row.usage
    failed = row.status >= 500 or broken
    deployment, replica = deployment_of(row.deployment), row.replica or row.relayed_replica or ""
    return Metered(row.at, deployment, replica, failed, usage.input_tokens, usage.output_tokens, row.tenant or "")


def usage_rows(requests: Iterable[Metered], tenants: Mapping[str, str]) -> list[TokenUsage]:
    """Sum by minute, tenant, deployment and replica.

    Args:
        tenants: who is billed where no key named a tenant, by deployment id; "default" for one that is not named.
    """
    sums: dict[tuple[datetime, str, str, str], list[int]] = {}
    for request in requests:
        tenant = request.tenant or tenants.get(request.deployment, "default")
        key = (request.at.replace(second=0, microsecond=0), tenant, request.deployment, request.replica)
        row = sums.setdefault(key, [0, 0, 0, 0])
        row[0] += 1
        row[1] += request.failed
        row[2] += request.input_tokens
        row[3] += request.output_tokens
    return [TokenUsage(*key, *row) for key, row in sorted(sums.items())]


class AccessLogFollower:
    """Reads what was appended since the last ``commit``, across truncation, rotation and restarts of either side."""

    def __init__(self, path: Path, position: Path) -> None:
        self._path, self._position = path, position
        self._file_id, self._offset = self._recall()
        self._next = (self._file_id, self._offset)

    def read(self) -> list[Metered]:
        """Requests logged since the last commit, up to a bound; reading again without a commit gives them again."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                same = status.st_ino == self._file_id and status.st_size >= self._offset
                start = self._offset if same else 0
                file.seek(start)
                chunk = file.read(_CHUNK_BYTES)
        except FileNotFoundError:
            return []
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._next = (status.st_ino, start + len(whole))
        return [metered for line in whole.splitlines() if (metered := _try_parse(line)) is not None]

    def commit(self) -> None:
        """Remember that everything read so far is stored."""
        self._file_id, self._offset = self._next
        draft = self._position.with_suffix(".new")
        draft.write_text(json.dumps({"file": self._file_id, "offset": self._offset}))
        os.replace(draft, self._position)

    def _recall(self) -> tuple[int, int]:
        try:
            kept = json.loads(self._position.read_text())
            return int(kept["file"]), int(kept["offset"])
        except FileNotFoundError:
            return 0, 0
        except (ValueError, KeyError, TypeError):
            log.warning("metering_position_unreadable", path=str(self._position))
            return 0, 0


def _try_parse(line: bytes) -> Metered | None:
    try:
        return parse_line(line)
    except ValueError as error:
        log.warning("access_log_line_skipped", error=str(error)[:200])
        return None
