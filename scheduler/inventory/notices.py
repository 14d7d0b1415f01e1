"""Reads interruption notices from outside the node, where a cloud sends them to us, and hands them to the loop.

Knows the provider and store ports. Nodes that watch their own metadata service tell the same notice; the first of the two counts.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import structlog

from scheduler.domain.errors import AuthError, HeadraceError
from scheduler.domain.ports import Clock, NoticeSource, Provider
from scheduler.domain.stores import AgentStore, FleetStore

PAUSE_S = 1.0
PAUSE_AFTER_ERROR_S = 15.0

log = structlog.get_logger(__name__)


class NoticeReader:
    """Reads one provider's notices, only in the leader."""

    def __init__(self, provider: Provider, source: NoticeSource, fleet: FleetStore, agents: AgentStore, clock: Clock) -> None:
        self._provider, self._source = provider, source
        self._fleet, self._agents, self._clock = fleet, agents, clock

    async def read(self) -> int:
        """Read once and store what concerns our nodes; the rest is other people's. Returns how many were stored."""
        told = await self._source.read_notices()
        if not told:
            return 0
        ours = {node.provider_node_id: node.id for node in (await self._fleet.fleet()).nodes if node.provider_node_id}
        found = [replace(notice, node=ours[machine], received_at=self._clock()) for machine, notice in told if machine in ours]
        for notice in found:
            await self._agents.put_notice(notice)
            log.info("notice_received", provider=self._provider.name, node=notice.node, kind=notice.kind.value, evidence=notice.evidence)
        return len(found)

    async def run(self, stop: asyncio.Event) -> None:
        """Read again and again until ``stop`` is set, or until the credentials turn out to be wrong."""
        while not stop.is_set():
            pause_s = PAUSE_S
            try:
                await self.read()
            except AuthError as error:
                log.error("notices_stopped", provider=self._provider.name, error=str(error))
                return
            except HeadraceError as error:
                pause_s = PAUSE_AFTER_ERROR_S
                log.warning("notices_not_read", provider=self._provider.name, error=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
