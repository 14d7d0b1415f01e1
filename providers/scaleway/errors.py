"""What Scaleway's error types mean. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import AuthError, NotFoundError, QuotaExceededError, StockoutError, TransientError

PROVIDER = "scaleway"
ERRORS = ErrorTable(
    PROVIDER,
    {
        "out_of_stock": StockoutError,
        "quotas_exceeded": QuotaExceededError,
        "transient_state": TransientError,
        "not_found": NotFoundError,
        "unknown_resource": NotFoundError,
        "permissions_denied": AuthError,
        "denied_authentication": AuthError,
    },
    {"quota exceeded": QuotaExceededError},
)
