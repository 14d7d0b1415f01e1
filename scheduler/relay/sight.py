"""Which replicas are ready, as the edge sees it, and who waits for one."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.2
BAD_FOR_S = 5.0
"""How long an endpoint that broke a stream is avoided; by then the edge's health checks have judged it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The edge at one moment.

    Attributes:
        ready: endpoints that take new requests, by deployment. dead: those that fail their health checks.
    """

    ready: Mapping[str, frozenset[str]]
    dead: frozenset[str] = frozenset()


class Sight:
    """What the edge says of the endpoints, looked at several times a second.

    Args:
        look: asks the edge; None where it can't be asked.
    """

    def __init__(self, look: Callable[[], Awaitable[Seen | None]], draw: random.Random) -> None:
        self._look, self._draw = look, draw
        self._seen: Seen | None = None
        self._wards: dict[str, set[Callable[[], None]]] = defaultdict(set)
        self._changed = asyncio.Event()
        self._bad: dict[str, float] = {}

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(LOOK_EVERY_S)

    async def refresh(self) -> None:
        """Look once, wake everyone who waits, and tell those whose replica died."""
        before, self._seen = self._seen, await self._look()
        if self._seen is not None:
            died = self._seen.dead - (before.dead if before is not None else frozenset())
            concerned = {name for name, ready in before.ready.items() if ready & died} if before is not None else set()
            for key in died | concerned:
                for tell in tuple(self._wards.get(key, ())):
                    tell()
        self._changed.set()
        self._changed = asyncio.Event()

    @contextlib.contextmanager
    def warded(self, key: str, tell: Callable[[], None]) -> Iterator[None]:
        """Call ``tell`` when the edge finds an endpoint dead, or, for a deployment, any of its endpoints."""
        self._wards[key].add(tell)
        try:
            yield
        finally:
            self._wards[key].discard(tell)
            if not self._wards[key]:
                del self._wards[key]

    def shun(self, endpoint: str) -> None:
        """Send nothing there for a while."""
        if endpoint:
            self._bad[endpoint] = asyncio.get_running_loop().time() + BAD_FOR_S

    def is_shunned(self, endpoint: str) -> bool:
        return self._bad.get(endpoint, 0.0) > asyncio.get_running_loop().time()

    def choose(self, deployment: str) -> str | None:
        """Where the next request goes: "" leaves it to the edge, an endpoint avoids one that was bad, None means that none is ready."""
        if self._seen is None:
            return ""
        ready = self._seen.ready.get(deployment, frozenset())
        good = sorted(endpoint for endpoint in ready if not self.is_shunned(endpoint))
        if len(good) == len(ready):
            return "" if ready else None
        return self._draw.choice(good) if good else None

    async def until_chosen(self, deployment: str, until: float) -> str | None:
        """Wait for a choice; None where there is none at the deadline, which is in the loop's time."""
        loop = asyncio.get_running_loop()
        while (choice := self.choose(deployment)) is None:
            changed = self._changed
            left = until - loop.time()
            if left <= 0:
                return None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), left)
        return choice


class Waiting:
    """Counts the requests that wait, and bounds them by deployment."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()

    def counts(self) -> Mapping[str, int]:
        """Requests waiting, by deployment."""
        return {name: count for name, count in self._counts.items() if count}

    def is_full(self, deployment: str) -> bool:
        return self._counts[deployment] >= self._most

    @contextlib.contextmanager
    def counted(self, deployment: str) -> Iterator[None]:
        """One request more for the length of the block."""
        self._counts[deployment] += 1
        try:
            yield
        finally:
            self._counts[deployment] -= 1
