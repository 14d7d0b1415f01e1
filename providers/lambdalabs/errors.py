"""What Lambda's error codes mean. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import AuthError, NotFoundError, QuotaExceededError, StockoutError

PROVIDER = "lambda"
ERRORS = ErrorTable(
    PROVIDER,
    {
        "instance-operations/launch/insufficient-capacity": StockoutError,
        "global/quota-exceeded": QuotaExceededError,
        "global/invalid-api-key": AuthError,
        "global/account-inactive": AuthError,
        "global/object-does-not-exist": NotFoundError,
    },
)
