"""Notices that a cloud sends to us instead of to the node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from scheduler.domain.errors import AuthError, ProviderError, TransientError
from scheduler.domain.events import EventKind, Notice
from scheduler.domain.ports import Capabilities, OfferPage, Provider
from scheduler.inventory.notices import NoticeReader
from simulations.memory import Memory
from tests.builders import NOW, cluster, node, offer

NOTICE = Notice("", EventKind.INTERRUPTION_NOTICE, NOW, "EC2 Spot Instance Interruption Warning", NOW)


class Queue:
    """A queue of readings; an error is raised, an end sets ``empty``."""

    def __init__(self, *readings: list[tuple[str, Notice]] | ProviderError) -> None:
        self.readings, self.empty = list(readings), asyncio.Event()

    async def read_notices(self) -> Sequence[tuple[str, Notice]]:
        if not self.readings:
            self.empty.set()
            return []
        reading = self.readings.pop(0)
        if isinstance(reading, ProviderError):
            raise reading
        return reading

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        yield OfferPage("all")


async def memory() -> Memory:
    kept = Memory()
    await kept.put_clusters([cluster()])
    kept.nodes["n1"] = replace(node("n1", offer(spot=True), cluster().id), provider_node_id="i-1")
    return kept


def reader(queue: Queue, kept: Memory) -> NoticeReader:
    provider = Provider("aws", "default", "AWS", Capabilities(notices=True), queue, notices=queue)
    return NoticeReader(provider, queue, kept, kept, lambda: NOW)


async def test_a_notice_reaches_the_node_it_is_about_and_strangers_are_left_alone() -> None:
    kept = await memory()
    assert await reader(Queue([("i-1", NOTICE), ("i-other", NOTICE)]), kept).read() == 1
    assert list(await kept.open_notices()) == [replace(NOTICE, node="n1")]


async def test_the_same_notice_from_the_node_and_the_queue_is_one() -> None:
    kept = await memory()
    await kept.put_notice(replace(NOTICE, node="n1", evidence="metadata"))
    await reader(Queue([("i-1", NOTICE)]), kept).read()
    assert [notice.evidence for notice in await kept.open_notices()] == ["metadata"]


async def test_wrong_credentials_end_the_reading() -> None:
    kept = await memory()
    await asyncio.wait_for(reader(Queue(AuthError("aws", "no sqs:ReceiveMessage")), kept).run(asyncio.Event()), 90)


async def test_it_stops_when_told_also_while_it_waits_after_an_error() -> None:
    kept, stop = await memory(), asyncio.Event()
    running = asyncio.create_task(reader(Queue(TransientError("aws", "timeout")), kept).run(stop))
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 90)
