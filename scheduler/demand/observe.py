"""Declared demand beside what the edge metered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.domain.usage import TokenUsage
from scheduler.domain.workload import Deployment


@dataclass(frozen=True, slots=True)
class DemandView:
    """Demand of one deployment, in output tokens per second.

    Attributes:
        declared: what placement plans for, without headroom.
        observed: mean over the window; peak: the busiest minute in it.
        failure_share: failed requests of all requests, 0 to 1.
    """

    deployment: str
    declared: float
    observed: float
    peak: float
    requests: int
    failure_share: float


def observe(deployments: Iterable[Deployment], rows: Iterable[TokenUsage], now: datetime, window: timedelta) -> list[DemandView]:
    """Sum metered tokens of the full minutes in the window; minutes without traffic count as zero."""
    until = now.replace(second=0, microsecond=0)
    since = until - window
    minutes = max(1.0, window / timedelta(minutes=1))
    tokens: dict[str, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    requests: dict[str, int] = defaultdict(int)
    failures: dict[str, int] = defaultdict(int)
    for row in rows:
        if since <= row.minute < until:
            tokens[row.deployment][row.minute] += row.output_tokens
            requests[row.deployment] += row.requests
            failures[row.deployment] += row.failures
    return [
        DemandView(
            deployment=deployment.id,
            declared=deployment.tokens_per_s,
            observed=sum(tokens[deployment.id].values()) / (minutes * 60),
            peak=max(tokens[deployment.id].values(), default=0) / 60,
            requests=requests[deployment.id],
            failure_share=failures[deployment.id] / requests[deployment.id] if requests[deployment.id] else 0.0,
        )
        for deployment in deployments
    ]
