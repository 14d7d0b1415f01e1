"""What DigitalOcean's errors mean. Their ids repeat the status, so a 422 is told apart by its message. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable
from scheduler.domain.errors import QuotaExceededError, StockoutError

PROVIDER = "digitalocean"
ERRORS = ErrorTable(
    PROVIDER,
    phrases={
        "size is not available in this region": StockoutError,
        "region is not available": StockoutError,
        "size is unavailable": StockoutError,
        "exceed your droplet limit": QuotaExceededError,
    },
    rate_limit_wait_s=15.0,
)
