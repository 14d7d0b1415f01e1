"""What Alibaba's error codes mean. Source: FACTS.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.errors import ErrorTable
from scheduler.domain.errors import (
    AuthError,
    NotFoundError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)

PROVIDER = "alibaba"
_SOLD_OUT = ("InstanceType.Offline", "InvalidResourceType.NotSupported", "OperationDenied.NoStock", "Zone.NotOnSale")
_QUOTA = ("InvalidAccountStatus.NotEnoughBalance", "QuotaExceed.ElasticQuota")
_GONE = ("InvalidInstanceId.NotFound", "PriceNotFound")
_AUTH = (
    "Forbidden",
    "Forbidden.RAM",
    "IncompleteSignature",
    "InvalidAccessKeyId.Inactive",
    "InvalidAccessKeyId.NotFound",
    "InvalidTimeStamp.Expired",
    "SignatureDoesNotMatch",
)
_PASSING = ("IncorrectInstanceStatus", "IncorrectInstanceStatus.Initializing", "InternalError", "ServiceUnavailable")
_TOO_MANY = ("Throttling", "Throttling.Api", "Throttling.User")
ERRORS = ErrorTable(
    PROVIDER,
    {
        **dict.fromkeys(_SOLD_OUT, StockoutError),
        **dict.fromkeys(_QUOTA, QuotaExceededError),
        **dict.fromkeys(_GONE, NotFoundError),
        **dict.fromkeys(_AUTH, AuthError),
        **dict.fromkeys(_PASSING, TransientError),
        **dict.fromkeys(_TOO_MANY, RateLimitedError),
    },
)


def told(body: Mapping[str, Any]) -> tuple[str, str]:
    """Code and message of an error's body."""
    return str(body.get("Code") or ""), str(body.get("Message") or "")
