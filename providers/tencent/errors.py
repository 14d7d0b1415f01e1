"""What Tencent's error codes mean. They come inside answers that succeed. Source: FACTS.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.errors import ErrorTable
from scheduler.domain.errors import (
    AuthError,
    NotFoundError,
    ProviderDataError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)

PROVIDER = "tencent"
EXPIRED = "AuthFailure.SignatureExpire"
"""The request's time is off by more than five minutes."""

_SOLD_OUT = (
    "ResourceInsufficient",
    "ResourceInsufficient.AvailabilityZoneSoldOut",
    "ResourceInsufficient.InsufficientOfferingMinimum",
    "ResourceInsufficient.SpecifiedInstanceType",
    "ResourceInsufficient.ZoneSoldOutForSpecifiedInstance",
    "ResourcesSoldOut.AvailableZone",
    "ResourcesSoldOut.SpecifiedInstanceType",
    "ResourceUnavailable.InstanceType",
    "InvalidParameterValue.InsufficientOffering",
    "InvalidParameterValue.InsufficientPrice",
)
_QUOTA = (
    "InstancesQuotaLimitExceeded",
    "InvalidAccount.InsufficientBalance",
    "LimitExceeded.CvmInstanceQuota",
    "LimitExceeded.InstanceQuota",
    "LimitExceeded.SpotQuota",
    "LimitExceeded.UserSpotQuota",
)
_GONE = (
    "InvalidInstanceId.NotFound",
    "ResourceNotFound.InvalidInstanceIdNotFound",
    "UnsupportedOperation.InstanceStateLaunchFailed",
    "UnsupportedOperation.InstanceStateShutdown",
    "UnsupportedOperation.InstanceStateTerminated",
    "UnsupportedOperation.InstanceStateTerminating",
)
_AUTH = (
    EXPIRED,
    "AuthFailure",
    "AuthFailure.InvalidAuthorization",
    "AuthFailure.InvalidSecretId",
    "AuthFailure.MFAFailure",
    "AuthFailure.SecretIdNotFound",
    "AuthFailure.SignatureFailure",
    "AuthFailure.TokenFailure",
    "AuthFailure.UnauthorizedOperation",
    "UnauthorizedOperation",
    "UnauthorizedOperation.InvalidToken",
    "UnauthorizedOperation.MFAExpired",
    "UnauthorizedOperation.MFANotFound",
    "UnauthorizedOperation.PermissionDenied",
)
_PASSING = (
    "InternalError",
    "InternalServerError",
    "OperationDenied.InstanceOperationInProgress",
    "ServiceUnavailable",
    "UnsupportedOperation.InstanceStatePending",
)
ERRORS = ErrorTable(
    PROVIDER,
    {
        **dict.fromkeys(_SOLD_OUT, StockoutError),
        **dict.fromkeys(_QUOTA, QuotaExceededError),
        **dict.fromkeys(_GONE, NotFoundError),
        **dict.fromkeys(_AUTH, AuthError),
        **dict.fromkeys(_PASSING, TransientError),
        "RequestLimitExceeded": RateLimitedError,
    },
)


def opened(body: Any) -> Mapping[str, Any]:
    """What lies inside ``Response``.

    Raises:
        ProviderError: an ``Error`` lies there, or nothing at all.
    """
    answer = body.get("Response") if isinstance(body, Mapping) else None
    if not isinstance(answer, Mapping):
        raise ProviderDataError(PROVIDER, "the answer has no Response")
    error = answer.get("Error")
    if error is None:
        return answer
    if not isinstance(error, Mapping):
        raise ProviderDataError(PROVIDER, f"an error of an unknown shape: {error!r}"[:200])
    raise ERRORS.error(str(error.get("Code") or ""), 0, str(error.get("Message") or ""))
