"""What Vast's errors mean. Source: FACTS.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.errors import ErrorTable
from scheduler.domain.errors import AuthError, NotFoundError, QuotaExceededError, RateLimitedError, StockoutError

PROVIDER = "vast"
ERRORS = ErrorTable(
    PROVIDER,
    {
        "no_such_ask": StockoutError,
        "not_found": NotFoundError,
        "rate_limit_exceeded": RateLimitedError,
        "search_quota_exceeded": RateLimitedError,
    },
    phrases={
        "no_such_ask": StockoutError,
        "insufficient credit": QuotaExceededError,
        "invalid user key": AuthError,
    },
    rate_limit_wait_s=6.0,
)


def told(body: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message; Vast names the code ``error`` and the message ``msg`` or ``message``."""
    return str(body.get("error") or ""), str(body.get("msg") or body.get("message") or "")
