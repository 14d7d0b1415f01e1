"""What Nebius' errors mean: details that its services attach, else the gRPC status. Source: FACTS.md."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from providers.errors import ErrorTable
from scheduler.domain.errors import (
    AuthError,
    NotFoundError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)

PROVIDER = "nebius"
ERRORS = ErrorTable(
    PROVIDER,
    {
        "not_enough_resources": StockoutError,
        "quota_failure": QuotaExceededError,
        "too_many_requests": RateLimitedError,
        "resource_not_found": NotFoundError,
        "permission_denied": AuthError,
        "internal_error": TransientError,
    },
    {"not enough resources": StockoutError, "quota limit exceeded": QuotaExceededError},
)
STATUSES = {
    # gRPC's own mapping to HTTP
    "UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "RESOURCE_EXHAUSTED": 429, "CANCELLED": 500,
    "UNKNOWN": 500, "INTERNAL": 500, "DATA_LOSS": 500, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip


def error_of(status: Any, what: str) -> ProviderError:
    """The domain's error of an SDK's request status, which a call or an operation ended with."""
    details = [each.details.field for each in status.service_errors if each.details is not None]
    code = next((field for field in details if field in ERRORS.codes), "") or status.code.name
    return ERRORS.error(code, STATUSES.get(status.code.name, 400), f"{what}: {status.code.name} {status.message or ''}")


@contextlib.contextmanager
def mapped(what: str) -> Iterator[None]:
    """Raise the domain's errors instead of the SDK's."""
    from nebius.aio.service_error import RequestError
    from nebius.base.error import SDKError

    try:
        yield
    except RequestError as error:
        raise error_of(error.status, what) from error
    except (SDKError, TimeoutError, OSError) as error:
        raise TransientError(PROVIDER, f"{what}: {type(error).__name__}") from error
