"""What Vultr's errors mean: a status and prose, no codes. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError

PROVIDER = "vultr"
ERRORS = ErrorTable(
    PROVIDER,
    phrases={
        "plan is not available": StockoutError,
        "sold out": StockoutError,
        "reached the maximum number of active": QuotaExceededError,
        "support request for access to this product": QuotaExceededError,
    },
)
