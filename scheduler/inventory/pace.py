"""Vendors' rate limits kept inside one process, for commands that run without the store; with one, ``scheduler.store.pace`` is shared."""

from __future__ import annotations

from aiolimiter import AsyncLimiter

from scheduler.domain.ports import Budget


class LocalPace:
    """A leaky bucket per budget; implements ``Pace``. Belongs to one event loop."""

    def __init__(self) -> None:
        self._limiters: dict[str, AsyncLimiter] = {}

    async def take(self, budget: Budget) -> None:
        """Wait for the turn and use it up."""
        limiter = self._limiters.setdefault(budget.key, AsyncLimiter(budget.burst, budget.burst / budget.per_s))
        await limiter.acquire()
