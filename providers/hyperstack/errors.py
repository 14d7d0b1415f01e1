"""What Hyperstack's errors mean. Source: FACTS.md.

``error_reason`` only repeats the status, so the prose of a 400 decides between stock, quota and a wrong order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError, TransientError

PROVIDER = "hyperstack"
ERRORS = ErrorTable(
    PROVIDER,
    phrases={
        "out of stock": StockoutError,
        "stock unavailable": StockoutError,
        "not enough stock": StockoutError,
        "insufficient stock": StockoutError,
        "capacity": StockoutError,
        "quota": QuotaExceededError,
        "limit exceeded": QuotaExceededError,
        "insufficient balance": QuotaExceededError,
        "insufficient credit": QuotaExceededError,
    },
    # A launch token is unique: a name that exists already means that an earlier launch was carried out, so the caller looks for it.
    statuses={409: TransientError},
    rate_limit_wait_s=1.0,
)


def told(body: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message of an error's body; both may be missing."""
    return str(body.get("error_reason") or ""), str(body.get("message") or "")
