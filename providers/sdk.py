"""Vendors' own SDKs, which block: their calls in threads, with a time limit, rate limits, and retries of reads.

Knows no vendor: each cloud says how its SDK's errors are mapped. What changes the world is sent once.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import stamina

from providers.http import RETRY_AFTER_S_MAX, retry_read
from providers.rest import budget_of, timeout_of
from scheduler.domain.errors import ProviderDataError, TransientError
from scheduler.domain.ports import Budget, Pace, ProviderSettings

Answer = TypeVar("Answer")

Mapped = Callable[[str], AbstractContextManager[None]]
"""Around SDK calls: raises the domain's errors. Receives what was called, for the message."""

ATTEMPTS = 3
SIGN_IN_S_MAX = 60.0
"""Making a client reads files and may ask a metadata service or a command for credentials."""


class UnreadableError(ProviderDataError):
    """An answer that the SDK cannot read; after a change, it may have been carried out."""


class SdkCalls:
    """The calls of one account."""

    def __init__(self, provider: str, mapped: Mapped, settings: ProviderSettings, pace: Pace, *, per_s: float, burst: int = 1) -> None:
        """Each call may take ``options.timeout_s``. ``per_s``, ``burst``: calls that the vendor allows one account."""
        self._provider, self._mapped, self._pace = provider, mapped, pace
        self._budget, self.timeout_s = budget_of(settings, "", per_s, burst), timeout_of(settings)

    async def ready(self, what: str, make: Callable[[], Answer]) -> Answer:
        """Make a client. Raises the ProviderError family."""
        return await self._run(what, make, SIGN_IN_S_MAX)

    async def read(self, what: str, ask: Callable[[], Answer], *, timeout_s: float = 0.0) -> Answer:
        """Ask for something, retried; one page at a time. Raises the ProviderError family."""
        async for attempt in stamina.retry_context(on=_repeats, attempts=ATTEMPTS, timeout=120.0, wait_max=RETRY_AFTER_S_MAX):
            with attempt:
                await self._pace.take(self._budget)
                return await self._run(what, ask, timeout_s or self.timeout_s)
        raise AssertionError("stamina returns or raises")

    async def once(self, what: str, send: Callable[[], Answer], *, budget: Budget | None = None, timeout_s: float = 0.0) -> Answer:
        """One call that changes something, never repeated. ``budget``: a tighter one, beside the account's.

        Raises:
            TransientError: no answer, or an unreadable one; after a launch, look for its token first.
            ProviderError: what the vendor's refusal means.
        """
        for turn in (self._budget, budget):
            if turn is not None:
                await self._pace.take(turn)
        try:
            return await self._run(what, send, timeout_s or self.timeout_s)
        except UnreadableError as error:
            raise TransientError(self._provider, f"perhaps carried out: {error}") from error

    async def _run(self, what: str, call: Callable[[], Answer], timeout_s: float) -> Answer:
        def mapped() -> Answer:
            with self._mapped(what):
                return call()

        try:
            async with asyncio.timeout(timeout_s):
                return await _in_thread(what, mapped)
        except TimeoutError as error:
            raise TransientError(self._provider, f"{what}: no answer after {timeout_s:g} s") from error


def _repeats(error: Exception) -> bool | float:
    """SDKs do not tell an answer that was cut short from one that makes no sense: both are asked for again."""
    return isinstance(error, UnreadableError) or retry_read(error)


async def _in_thread(name: str, call: Callable[[], Answer]) -> Answer:
    """Run a blocking call in a thread of its own.

    A call that was given up may hang on a body that never ends: unlike one of ``asyncio.to_thread``, its thread takes no place of
    others and does not hold up the end of the process.
    """
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    answer: asyncio.Future[Answer] = loop.create_future()

    def tell(settle: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            settle(value)

    def run() -> None:
        settle: Callable[[Any], None] = answer.set_result
        told: object
        try:
            told = context.run(call)
        except Exception as error:
            settle, told = answer.set_exception, error
        with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
            loop.call_soon_threadsafe(tell, settle, told)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await answer
