"""What Latitude.sh's error codes mean. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import ProviderDataError, QuotaExceededError, RateLimitedError, StockoutError

PROVIDER = "latitude"
ERRORS = ErrorTable(
    PROVIDER,
    {"SERVERS_OUT_OF_STOCK": StockoutError, "RATE_LIMIT_EXCEEDED": RateLimitedError, "VALIDATION_ERROR": ProviderDataError},
    phrases={"no stock availability": StockoutError, "limit": QuotaExceededError},
    rate_limit_wait_s=2.0,
)
