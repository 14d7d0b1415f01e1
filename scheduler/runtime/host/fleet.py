"""The engines of one cluster: one detached, named actor per replica, pinned to its node.

All calls into Ray run on one thread of their own, because many of them block without a deadline while a GCS is down.
Every question from the agent is answered in bounded time from that thread or, failing that, from what was last known.
Asking an actor needs no GCS: a replica stays observable, and keeps serving, while its head is being restarted.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import ray
import structlog
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RayActorError, RayError

from scheduler.domain.agentstate import DesiredReplica, ObservedNode, ObservedReplica
from scheduler.domain.lifecycle import ReplicaState
from scheduler.runtime.host.actor import EngineHost
from scheduler.runtime.host.known import Hosted, labelled_nodes
from scheduler.runtime.hosting import AGENT_NAMESPACE, HostStuckError, HostView
from scheduler.runtime.node import NODE_LABEL

log = structlog.get_logger(__name__)

_ANSWER_S = 2.0
"""Longest wait of the agent for the Ray thread; past it, the last known view is given."""
_STUCK_S = 120.0
_ASK_S = 0.7
_STOP_S = 30.0
_REGISTER_S = 10.0
_DIAL_S = 0.3


class RayHost:
    """Hosts engines on one cluster's Ray. Implements ``hosting.ReplicaHost``.

    Args:
        address: GCS address, ``host:port``. Ray reads its token from the process environment.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ray")
        self._hosted: dict[str, Hosted] = {}
        self._nodes: tuple[ObservedNode, ...] = ()
        self._pending: Future[HostView] | None = None
        self._pending_since = 0.0
        self._last = HostView(complete=False)

    async def observe(self) -> HostView:
        """See ``ReplicaHost.observe``."""
        if self._pending is None:
            self._pending, self._pending_since = self._thread.submit(self._look), time.monotonic()
        try:
            self._last = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._pending)), _ANSWER_S)
        except TimeoutError:
            if time.monotonic() - self._pending_since > _STUCK_S:
                raise HostStuckError(f"a call into Ray at {self._address} has hung for {_STUCK_S:.0f} s") from None
            return replace(self._last, complete=False)
        self._pending = None
        return self._last

    async def start(self, desired: DesiredReplica) -> None:
        """See ``ReplicaHost.start``."""
        await self._bounded(lambda: self._start(desired))

    async def stop(self, replica: str) -> None:
        """See ``ReplicaHost.stop``."""
        await self._bounded(lambda: self._stop(replica))

    async def close(self) -> None:
        """See ``ReplicaHost.close``."""
        await self._bounded(self._disconnect)
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _bounded(self, work: Callable[[], None]) -> None:
        """Queue work for the Ray thread; what takes too long goes on there, and shows up in a later view."""
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._thread.submit(work))), _ANSWER_S)
        except TimeoutError:
            log.warning("ray_call_slow", address=self._address)

    # Everything below runs on the Ray thread.

    def _look(self) -> HostView:
        complete = self._reachable() and self._survey()
        self._ask_all()
        shown = tuple(hosted.shown() for hosted in self._hosted.values())
        return HostView(complete, self._nodes, shown)

    def _reachable(self) -> bool:
        """A connection attempt answers at once what Ray's own calls would ponder for a minute."""
        host, _, port = self._address.rpartition(":")
        try:
            with socket.create_connection((host, int(port)), timeout=_DIAL_S):
                return True
        except OSError:
            return False

    def _survey(self) -> bool:
        """Read nodes and named actors from the GCS; False where it can't be done now."""
        try:
            if not ray.is_initialized():
                self._connect()
            rows = ray.nodes()  # type: ignore[no-untyped-call]
            names = {row["name"] for row in ray.util.list_named_actors(all_namespaces=True) if row["namespace"] == AGENT_NAMESPACE}
        except (RayError, ConnectionError, RuntimeError, OSError) as error:
            log.warning("ray_unreachable", address=self._address, error=repr(error)[:300])
            self._disconnect()
            return False
        self._nodes = labelled_nodes(rows)
        for name in names:
            if name not in self._hosted or self._hosted[name].handle is None:
                self._adopt(name)
        for name in self._hosted.keys() - names:
            # The GCS forgets an actor that died or was killed, and may not yet know one that was just asked for.
            if time.monotonic() - self._hosted[name].requested_at > _REGISTER_S:
                del self._hosted[name]
        self._drop_placeless()
        return True

    def _drop_placeless(self) -> None:
        gone = {node.node for node in self._nodes if not node.alive}
        for name, one in tuple(self._hosted.items()):
            if one.handle is not None and one.placeless(gone):
                ray.kill(one.handle)
                del self._hosted[name]
                log.warning("replica_without_place", replica=name, node=one.last.node)

    def _connect(self) -> None:
        host = self._address.rpartition(":")[0]
        local: dict[str, Any] = {"_node_ip_address": host} if host.startswith("127.") else {}
        ray.init(address=self._address, namespace=AGENT_NAMESPACE, log_to_driver=False, configure_logging=False, **local)
        log.info("ray_connected", address=self._address)

    def _disconnect(self) -> None:
        """Let go of a connection that fails. Handles are of no use after it; the next survey finds the actors again."""
        ray.shutdown()
        for one in self._hosted.values():
            one.handle = one.question = None

    def _adopt(self, name: str) -> None:
        try:
            handle = ray.get_actor(name, namespace=AGENT_NAMESPACE)
        except ValueError:
            return
        if name in self._hosted:
            self._hosted[name].handle = handle
            return
        unknown = ObservedReplica(replica=name, generation=0, state=ReplicaState.STARTING, node="")
        self._hosted[name] = Hosted(handle, unknown, time.monotonic(), adopted=True)
        log.info("replica_adopted", replica=name)

    def _ask_all(self) -> None:
        """Ask everything hosted at once. Without a connection nothing is asked: Ray would start a cluster of its own."""
        known = {name: one for name, one in self._hosted.items() if one.handle is not None}
        if not known or not ray.is_initialized():
            return
        for one in known.values():
            if one.question is None:
                one.question = one.handle.observe.remote()
        ready, _ = ray.wait([one.question for one in known.values()], num_returns=len(known), timeout=_ASK_S)
        for name, one in known.items():
            if one.question in ready:
                self._take_answer(name, one)

    def _take_answer(self, name: str, one: Hosted) -> None:
        question, one.question = one.question, None
        try:
            one.last = ray.get(question, timeout=_ASK_S)
        except GetTimeoutError:
            one.question = question
        except ActorUnavailableError:
            log.warning("replica_host_unavailable", replica=name)
        except RayActorError as error:
            # Its engine died with it. If the node is still there, the agent starts the replica anew.
            log.warning("replica_host_died", replica=name, error=str(error)[:200])
            del self._hosted[name]
        else:
            one.answered = True
            if one.acquire_ms is None and not one.adopted:
                one.acquire_ms = round((time.monotonic() - one.requested_at) * 1000)

    def _start(self, desired: DesiredReplica) -> None:
        if desired.replica in self._hosted or not ray.is_initialized():
            return
        node = desired.nodes[0]
        placed = ray.remote(EngineHost).options(
            name=desired.replica,
            namespace=AGENT_NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            label_selector={NODE_LABEL: node},
            num_gpus=desired.accelerators,
            num_cpus=0,
            max_restarts=0,
        )
        expected = ObservedReplica(desired.replica, desired.generation, ReplicaState.STARTING, node)
        self._hosted[desired.replica] = Hosted(placed.remote(desired), expected, time.monotonic(), adopted=False)
        log.info("replica_start_asked", replica=desired.replica, node=node, generation=desired.generation)

    def _stop(self, replica: str) -> None:
        one = self._hosted.get(replica)
        if one is None or one.handle is None:
            return
        if one.stopping_at is None:
            one.stopping_at = time.monotonic()
            one.handle.stop.remote()
            log.info("replica_stop_asked", replica=replica)
        if one.last.state is ReplicaState.STOPPED or time.monotonic() - one.stopping_at > _STOP_S:
            # The engine is tied to this actor, so whatever is left of it ends too.
            ray.kill(one.handle)
            del self._hosted[replica]
            log.info("replica_stopped", replica=replica)
