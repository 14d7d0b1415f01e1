"""What the reasons of a Kubernetes ``Status`` mean. Source: FACTS.md."""

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
    TransientError,
)

KIND = "kubernetes"
ALREADY_EXISTS = "AlreadyExists"


def table(provider: str) -> ErrorTable:
    """The table of one kind. ``Forbidden`` is left to phrase and status: an exceeded quota and a missing permission share it."""
    return ErrorTable(
        provider,
        codes={
            "Unauthorized": AuthError,
            "NotFound": NotFoundError,
            "TooManyRequests": RateLimitedError,
            "InternalError": TransientError,
            "ServerTimeout": TransientError,
            "Timeout": TransientError,
            "ServiceUnavailable": TransientError,
            # Somebody made it before us, perhaps we ourselves: as after a lost answer, the token has to be looked up.
            ALREADY_EXISTS: TransientError,
            # A page token outlived its five to fifteen minutes: the walk has to begin anew.
            "Expired": ProviderDataError,
            "Gone": ProviderDataError,
        },
        phrases={"exceeded quota": QuotaExceededError},
    )


def told(body: Mapping[str, Any]) -> tuple[str, str]:
    """Reason and message of a ``Status``; its ``code`` only repeats the HTTP status."""
    return str(body.get("reason") or ""), str(body.get("message") or "")
