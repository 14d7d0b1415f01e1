"""What Verda's error codes mean. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import AuthError, NotFoundError, QuotaExceededError, TransientError

PROVIDER = "verda"
ERRORS = ErrorTable(
    PROVIDER,
    {
        "unauthorized_request": AuthError,
        "forbidden_action": AuthError,
        "insufficient_funds": QuotaExceededError,
        "not_found": NotFoundError,
        "server_error": TransientError,
        "service_unavailable": TransientError,
    },
    phrases={"limit exceeded": QuotaExceededError, "quota": QuotaExceededError},
)
