"""The one place where botocore's errors become the domain's, cause kept.

Codes from the EC2 API reference, "Error codes for the Amazon EC2 API". Capacity errors arrive as HTTP 5xx, so the code
decides before the status does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from providers.errors import ErrorTable
from providers.sdk import UnreadableError
from scheduler.domain.errors import (
    AuthError,
    NotFoundError,
    ProviderDataError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)

PROVIDER = "aws"
RATE_LIMIT_WAIT_S = 5.0
"""EC2 refills its request bucket within seconds and sends no ``Retry-After``."""

_CODES: dict[str, type[ProviderError]] = {
    **dict.fromkeys(
        (
            "InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity", "InsufficientCapacity",
            "InsufficientCapacityOnHost", "ReservationCapacityExceeded", "UnfulfillableCapacity", "SpotMaxPriceTooLow",
            "Unsupported",
        ),
        StockoutError,
    ),
    **dict.fromkeys(
        ("InstanceLimitExceeded", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded", "MaxSpotFleetRequestCountExceeded",
         "VolumeLimitExceeded", "AddressLimitExceeded", "NetworkInterfaceLimitExceeded"),
        QuotaExceededError,
    ),
    **dict.fromkeys(
        ("RequestLimitExceeded", "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException",
         "EC2ThrottledException", "RequestThrottled", "RequestThrottledException", "SlowDown"),
        RateLimitedError,
    ),
    **dict.fromkeys(
        ("AuthFailure", "UnauthorizedOperation", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "AccessDenied",
         "AccessDeniedException", "OptInRequired", "SignatureDoesNotMatch", "UnrecognizedClientException", "PendingVerification",
         "Blocked", "MissingAuthenticationToken", "InvalidSignatureException", "IncompleteSignature", "RequestExpired",
         "RequestTimeTooSkewed"),
        AuthError,
    ),
    **dict.fromkeys(("InvalidInstanceID.NotFound", "NoSuchResourceException", "InvalidCapacityReservationId.NotFound"), NotFoundError),
    **dict.fromkeys(
        ("InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Unavailable", "RequestTimeout",
         "RequestTimeoutException", "ServiceException"),
        TransientError,
    ),
}  # fmt: skip


ERRORS = ErrorTable(PROVIDER, _CODES, rate_limit_wait_s=RATE_LIMIT_WAIT_S)


@contextmanager
def mapped(call: str) -> Iterator[None]:
    """Run SDK calls and raise the domain's errors.

    Args:
        call: what was called, for the message.
    """
    from botocore import exceptions as foreign
    from botocore.parsers import ResponseParserError

    try:
        yield
    except foreign.ClientError as error:
        body = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise ERRORS.error(str(body.get("Code", "")), status, f"{call}: {body.get('Message', error)}") from error
    except (
        foreign.NoCredentialsError,
        foreign.PartialCredentialsError,
        foreign.CredentialRetrievalError,
        foreign.ProfileNotFound,
        foreign.TokenRetrievalError,
        foreign.NoAuthTokenError,
    ) as error:
        raise AuthError(PROVIDER, f"{call}: {error}") from error
    except (foreign.HTTPClientError, foreign.ResponseStreamingError, foreign.IncompleteReadError) as error:
        raise TransientError(PROVIDER, f"{call}: {type(error).__name__}") from error
    except ResponseParserError as error:
        raise UnreadableError(PROVIDER, f"{call}: {str(error)[:300]}") from error
    except foreign.BotoCoreError as error:
        raise ProviderDataError(PROVIDER, f"{call}: {error}") from error
