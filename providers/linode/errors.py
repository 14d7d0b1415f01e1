"""What Linode's errors mean: prose in ``errors[].reason``, no codes. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError, TransientError

PROVIDER = "linode"
ERRORS = ErrorTable(
    PROVIDER,
    phrases={
        "no availability for the selected plan": StockoutError,
        "no open slots for this plan": StockoutError,
        "account limit reached": QuotaExceededError,
        "limit for the number of active services": QuotaExceededError,
        # The label is the launch token: a Linode of this launch exists, and its token has to be looked up.
        "label must be unique": TransientError,
    },
)
