"""Actions under way beside the loop: at most one for each node, and a failed one waits before it is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog

from scheduler.reconciler import Action, Executor, Outcome

log = structlog.get_logger(__name__)


class Errands:
    """Starts actions and hands their outcomes back. Nothing here is stored: what is lost with the process is found again by tag."""

    def __init__(self, executor: Executor, retry_s: float) -> None:
        self._executor, self._retry = executor, timedelta(seconds=retry_s)
        self._busy: dict[str, asyncio.Task[list[Outcome]]] = {}
        self._retry_at: dict[str, datetime] = {}

    def start(self, actions: Iterable[Action], now: datetime) -> None:
        """Start what is not under way already; a node whose action failed is left alone for a while."""
        for action in actions:
            if action.node.id not in self._busy and self._retry_at.get(action.node.id, now) <= now:
                self._busy[action.node.id] = asyncio.ensure_future(self._executor.run([action]))

    def finished(self, now: datetime) -> list[Outcome]:
        """What has ended since the last call."""
        done: list[Outcome] = []
        crashed: dict[str, datetime] = {}
        for node, task in list(self._busy.items()):
            if task.done():
                del self._busy[node]
                if task.cancelled() or task.exception() is not None:
                    crashed[node] = now + self._retry
                    log.error("action_crashed", node=node, error=repr(None if task.cancelled() else task.exception()))
                else:
                    done += task.result()
        failed = {outcome.action.node.id: now + self._retry for outcome in done if outcome.error is not None}
        self._retry_at = crashed | failed | {node: at for node, at in self._retry_at.items() if at > now}
        return done

    def cancel(self) -> None:
        """Abandon everything; the next leader looks before it launches again."""
        for task in self._busy.values():
            task.cancel()
