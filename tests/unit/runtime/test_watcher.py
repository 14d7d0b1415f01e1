"""The watcher passes each kind of warning on once, and not before it is received."""

from __future__ import annotations

import httpx2

from scheduler.domain.events import EventKind, Notice
from scheduler.runtime.metadata import Finding
from scheduler.runtime.protocol import ControlUnreachableError
from scheduler.runtime.watcher import NodeWatcher
from tests.builders import NOW

INTERRUPTED = Finding(EventKind.INTERRUPTION_NOTICE, NOW, "spot")
REBALANCE = Finding(EventKind.REBALANCE_RECOMMENDATION, None, "rebalance")


class Script:
    """A metadata service and a control plane that follow a script."""

    def __init__(self, *reads: tuple[Finding, ...] | Exception, refuse: int = 0) -> None:
        self._reads, self._refuse = list(reads), refuse
        self.received: list[Notice] = []

    async def read(self) -> tuple[Finding, ...]:
        step = self._reads.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def post(self, notice: Notice) -> None:
        if self._refuse:
            self._refuse -= 1
            raise ControlUnreachableError("down")
        self.received.append(notice)

    async def play(self) -> list[Notice]:
        watcher = NodeWatcher("n1", self, self.post, lambda: NOW)
        while self._reads:
            await watcher.poll()
        return self.received


async def test_a_warning_is_posted_once_however_often_it_is_read() -> None:
    assert await Script((), (INTERRUPTED,), (INTERRUPTED,)).play() == [Notice("n1", INTERRUPTED.kind, NOW, "spot", NOW)]


async def test_a_recommendation_does_not_hide_the_interruption_after_it() -> None:
    notices = await Script((REBALANCE,), (REBALANCE, INTERRUPTED)).play()
    assert [notice.kind for notice in notices] == [REBALANCE.kind, INTERRUPTED.kind]


async def test_a_warning_is_posted_again_until_the_control_plane_has_it() -> None:
    assert len(await Script((INTERRUPTED,), (), (), refuse=2).play()) == 1


async def test_an_unreadable_service_ends_nothing() -> None:
    assert len(await Script(httpx2.ConnectError("no route"), (INTERRUPTED,)).play()) == 1
