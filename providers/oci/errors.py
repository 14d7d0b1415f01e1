"""What OCI's error codes mean. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import AuthError, NotFoundError, QuotaExceededError, RateLimitedError, StockoutError, TransientError

PROVIDER = "oci"
ERRORS = ErrorTable(
    PROVIDER,
    {
        "LimitExceeded": QuotaExceededError,
        "QuotaExceeded": QuotaExceededError,
        "TooManyRequests": RateLimitedError,
        "NotAuthenticated": AuthError,
        "NotAuthorized": AuthError,
        "NotAuthorizedOrNotFound": NotFoundError,
        "IncorrectState": TransientError,
    },
    # A stockout arrives as HTTP 500 with the code of every other internal error.
    {"out of host capacity": StockoutError, "out of capacity": StockoutError},
    rate_limit_wait_s=2.0,
)
