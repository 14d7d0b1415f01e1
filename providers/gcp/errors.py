"""The one place where Google's errors become the domain's, cause kept.

A 403 of quota and one of rate limit differ only in ``errors[0].reason``; stockouts arrive in a finished operation, with the
HTTP status of success. Reasons and codes from "Troubleshooting resource availability" and "Compute Engine API errors".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from providers.errors import ErrorTable
from providers.sdk import UnreadableError
from scheduler.domain.errors import (
    AuthError,
    NotFoundError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)

PROVIDER = "gcp"
RATE_LIMIT_WAIT_S = 5.0
_CODES: dict[str, type[ProviderError]] = {
    **dict.fromkeys(
        ("ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "RESOURCE_NOT_READY", "VM_MIN_COUNT_NOT_REACHED",
         "STOCKOUT", "RESOURCE_POOL_EXHAUSTED", "UNSUPPORTED_OPERATION"),
        StockoutError,
    ),
    **dict.fromkeys(("QUOTA_EXCEEDED", "quotaExceeded", "LIMIT_EXCEEDED", "limitExceeded"), QuotaExceededError),
    **dict.fromkeys(
        ("rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "concurrentLimitExceeded", "dailyLimitExceeded"),
        RateLimitedError,
    ),
    **dict.fromkeys(("forbidden", "authError", "required", "accessNotConfigured", "PERMISSIONS_ERROR"), AuthError),
    **dict.fromkeys(("notFound", "RESOURCE_NOT_FOUND"), NotFoundError),
    **dict.fromkeys(("backendError", "internalError", "INTERNAL_ERROR", "RESOURCE_OPERATION_RATE_EXCEEDED"), TransientError),
}  # fmt: skip
ERRORS = ErrorTable(PROVIDER, _CODES, rate_limit_wait_s=RATE_LIMIT_WAIT_S)


def told(body: Mapping[str, Any]) -> tuple[str, str]:
    """Reason and message out of the billing catalogue's errors, which may name no reason but a status."""
    error = body.get("error")
    if not isinstance(error, Mapping):
        return "", str(error or "")
    reasons = [each.get("reason") for each in error.get("errors") or () if isinstance(each, Mapping)]
    return str(next(filter(None, reasons), error.get("status") or "")), str(error.get("message", ""))


@contextmanager
def mapped(call: str) -> Iterator[None]:
    """Run SDK calls and raise the domain's errors.

    Args:
        call: what was called, for the message.
    """
    import requests
    from google.api_core import exceptions as foreign
    from google.auth import exceptions as auth
    from google.protobuf.json_format import ParseError

    try:
        yield
    except foreign.GoogleAPICallError as error:
        reason = next((str(each.get("reason", "")) for each in error.errors if isinstance(each, dict)), "")
        raise ERRORS.error(reason, int(error.code or 0), f"{call}: {str(error.message)[:300]}") from error
    except foreign.RetryError as error:
        raise TransientError(PROVIDER, f"{call}: gave up") from error
    except auth.TransportError as error:
        raise TransientError(PROVIDER, f"{call}: {type(error).__name__}") from error
    except auth.GoogleAuthError as error:
        if error.retryable:
            raise TransientError(PROVIDER, f"{call}: {type(error).__name__}") from error
        raise AuthError(PROVIDER, f"{call}: {str(error)[:300]}") from error
    except requests.RequestException as error:
        raise TransientError(PROVIDER, f"{call}: {type(error).__name__}") from error
    except (ParseError, ValueError, TypeError) as error:
        raise UnreadableError(PROVIDER, f"{call}: {str(error)[:300]}") from error
