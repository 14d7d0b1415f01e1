"""What Cudo's error codes mean: numbers of google.rpc.Code. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import AuthError, NotFoundError, QuotaExceededError, StockoutError, TransientError

PROVIDER = "cudo"
ALREADY_EXISTS = "6"
ERRORS = ErrorTable(
    PROVIDER,
    {
        "5": NotFoundError,
        # The id is the launch token: a machine of this launch exists, and its token has to be looked up.
        ALREADY_EXISTS: TransientError,
        "7": AuthError,
        "14": TransientError,
        "16": AuthError,
    },
    # A stockout shares its code with every wrong argument, an exceeded quota with the rate limit.
    phrases={"no hosts available": StockoutError, "quota": QuotaExceededError},
)
