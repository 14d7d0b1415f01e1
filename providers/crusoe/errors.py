"""What Crusoe's errors mean, whether they come as an answer or as an operation's result. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError

PROVIDER = "crusoe"
ERRORS = ErrorTable(
    PROVIDER,
    {"out_of_stock": StockoutError, "quota_exceeded": QuotaExceededError},
    {
        "out of stock": StockoutError,
        "insufficient capacity": StockoutError,
        "quota exceeded": QuotaExceededError,
        "exceeds quota": QuotaExceededError,
        "insufficient quota": QuotaExceededError,
    },
)
