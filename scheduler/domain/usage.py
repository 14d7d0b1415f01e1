"""The ledger's rows: what was used, what it cost, what it earned. Append-only, by minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens metered at the edge in one minute."""

    minute: datetime
    tenant: str
    deployment: str
    replica: str
    requests: int
    failures: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """Seconds of one node in one minute, at its price, attributed to a deployment (or "" for idle capacity).

    Attributes:
        phase: serving, idle, starting, draining or overlap.
    """

    minute: datetime
    node: str
    deployment: str
    phase: str
    seconds: float
    cost_micro_usd: int


@dataclass(frozen=True, slots=True)
class MarginRow:
    """Cost, revenue and gross margin of a deployment over a period.

    Attributes:
        margin: (revenue - cost) / revenue, None without revenue.
    """

    deployment: str
    requests: int
    input_tokens: int
    output_tokens: int
    revenue_micro_usd: int
    cost_micro_usd: int
    margin: float | None
    cost_by_phase: tuple[tuple[str, int], ...] = ()
