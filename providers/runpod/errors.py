"""What RunPod's errors mean. They carry no codes: statuses, and prose where a status means two things. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError

PROVIDER = "runpod"
ERRORS = ErrorTable(
    PROVIDER,
    phrases={"no longer any instances available": StockoutError},
    statuses={402: QuotaExceededError},
    rate_limit_wait_s=12.0,
)
