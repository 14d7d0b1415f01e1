"""What Shadeform's errors mean: prose, no codes that are documented. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError

PROVIDER = "shadeform"
ERRORS = ErrorTable(
    PROVIDER,
    phrases={
        "out of stock": StockoutError,
        "no capacity": StockoutError,
        "not available": StockoutError,
        "quota": QuotaExceededError,
        "insufficient funds": QuotaExceededError,
    },
    statuses={402: QuotaExceededError},
)
