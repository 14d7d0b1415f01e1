"""The one place where azure-core's errors become the domain's, cause kept.

Classified by ``error.code``, not by status: stockouts and quota come as 409, and ``AllocationFailed`` arrives from a polled
operation whose status is 200. Codes from "Resolve errors in Azure Resource Manager" and "Troubleshoot allocation failures".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from providers.errors import ErrorTable
from providers.http import retry_after_s
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

PROVIDER = "azure"
_CODES: dict[str, type[ProviderError]] = {
    **dict.fromkeys(
        ("SkuNotAvailable", "AllocationFailed", "ZonalAllocationFailed", "OverconstrainedAllocationRequest",
         "OverconstrainedZonalAllocationRequest", "SpotNoCapacity", "CapacityReservationGroupFull"),
        StockoutError,
    ),
    **dict.fromkeys(("QuotaExceeded", "ResourceQuotaExceeded", "VMSizeQuotaExceeded", "SpotQuotaExceeded"), QuotaExceededError),
    **dict.fromkeys(
        ("TooManyRequests", "SubscriptionRequestsThrottled", "ResourceRequestsThrottled", "RetryableErrorDueToAnotherOperation"),
        RateLimitedError,
    ),
    **dict.fromkeys(
        ("AuthorizationFailed", "LinkedAuthorizationFailed", "InvalidAuthenticationToken", "InvalidAuthenticationTokenTenant",
         "ExpiredAuthenticationToken", "AuthenticationFailed", "SubscriptionNotFound", "ReadOnlyDisabledSubscription",
         "MissingSubscriptionRegistration"),
        AuthError,
    ),
    **dict.fromkeys(("ResourceNotFound", "NotFound", "ResourceGroupNotFound"), NotFoundError),
    **dict.fromkeys(("InternalServerError", "InternalExecutionError", "ServerTimeout", "OperationPreempted", "Conflict"), TransientError),
}  # fmt: skip
_PHRASES: dict[str, type[ProviderError]] = {"quota": QuotaExceededError}
"""``OperationNotAllowed`` means quota when its message says so, and something we asked wrongly otherwise."""

ERRORS = ErrorTable(PROVIDER, _CODES, _PHRASES)


@contextmanager
def mapped(call: str) -> Iterator[None]:
    """Run SDK calls and raise the domain's errors.

    Args:
        call: what was called, for the message.
    """
    from azure.core import exceptions as foreign

    try:
        yield
    except foreign.ClientAuthenticationError as error:
        raise AuthError(PROVIDER, f"{call}: {_first_line(error)}", _code(error)) from error
    except foreign.IncompleteReadError as error:
        raise TransientError(PROVIDER, f"{call}: {type(error).__name__}") from error
    except (foreign.DecodeError, foreign.DeserializationError) as error:
        raise UnreadableError(PROVIDER, f"{call}: {type(error).__name__}") from error
    except foreign.HttpResponseError as error:
        headers = getattr(error.response, "headers", None) or {}
        wait_s = retry_after_s(str(headers.get("Retry-After", "")), default_s=ERRORS.rate_limit_wait_s)
        raise ERRORS.error(_code(error), error.status_code or 0, f"{call}: {_first_line(error)}", retry_after_s=wait_s) from error
    except foreign.AzureError as error:
        raise TransientError(PROVIDER, f"{call}: {type(error).__name__}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # What the SDK's models raise where an answer has another shape than theirs.
        raise UnreadableError(PROVIDER, f"{call}: an answer of an unknown shape: {str(error)[:200]}") from error


def _code(error: Any) -> str:
    return str(getattr(error.error, "code", "") or "")


def _first_line(error: Exception) -> str:
    return (str(getattr(error, "message", error)).splitlines() or [""])[0][:300]
