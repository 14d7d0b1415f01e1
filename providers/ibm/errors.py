"""What IBM's error codes and status reasons mean. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError, TransientError

PROVIDER = "ibm"
ERRORS = ErrorTable(
    PROVIDER,
    {
        "over_quota": QuotaExceededError,
        "cannot_start_capacity": StockoutError,
        "cannot_start_reservation_capacity": StockoutError,
        "cannot_start": TransientError,
        "cannot_start_compute": TransientError,
        "cannot_start_ip_address": TransientError,
        "cannot_start_network": TransientError,
        "cannot_start_storage": TransientError,
    },
    phrases={"exceed the quota": QuotaExceededError},
)
