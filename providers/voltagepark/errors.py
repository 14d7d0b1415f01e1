"""What Voltage Park's errors mean. It sends prose without codes, and which prose is not documented. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError

PROVIDER = "voltagepark"
ERRORS = ErrorTable(
    PROVIDER,
    phrases={
        "out of stock": StockoutError,
        "sold out": StockoutError,
        "no capacity": StockoutError,
        "insufficient capacity": StockoutError,
        "no longer available": StockoutError,
        "quota": QuotaExceededError,
        "limit exceeded": QuotaExceededError,
        "insufficient balance": QuotaExceededError,
        "insufficient funds": QuotaExceededError,
    },
)
