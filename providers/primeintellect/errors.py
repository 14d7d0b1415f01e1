"""What Prime Intellect's errors mean: prose in ``detail``, no codes. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError

PROVIDER = "primeintellect"
ERRORS = ErrorTable(
    PROVIDER,
    phrases={
        "quota exceeded": QuotaExceededError,
        "limit exceeded": QuotaExceededError,
        "insufficient funds": QuotaExceededError,
        "capacity": StockoutError,
        "out of stock": StockoutError,
        "unavailable": StockoutError,
        "not available": StockoutError,
    },
    statuses={402: QuotaExceededError},
)
