"""The cluster agent: long-polls what its cluster must run, makes it so, and reports what it sees.

Level-triggered: every cycle compares the whole desired list with everything hosted. It keeps nothing on disk; a new
agent finds the running engines again by their names. Without a control plane it goes on as last told; an agent that
never heard from one stops nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from scheduler.domain.agentstate import DesiredReplica, DesiredState, ObservedReplica, ObservedState
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.ports import Clock
from scheduler.runtime.hosting import HostStuckError, HostView, ReplicaHost
from scheduler.runtime.protocol import ControlClient, ControlRefusedError, ControlUnreachableError
from scheduler.runtime.rayproc import ray_environment

log = structlog.get_logger(__name__)

AGENT_VERSION = "1"
_CYCLE_S = 0.5
_REPORT_S = 1.0
_WAIT_S = 20.0
_RETRY_S = 1.0
STUCK_EXIT = 70
"""Exit code that asks the supervisor for a new process."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """One cluster's agent. ``token`` and ``ray_token`` are secrets."""

    cluster: str
    control_url: str
    token: str
    ray_address: str
    ray_token: str = ""


def agent_settings(environ: Mapping[str, str]) -> AgentSettings:
    """Read the settings from the environment.

    Raises:
        InvalidInputError: a variable is missing.
    """
    names = ("HEADRACE_CLUSTER", "HEADRACE_CONTROL_URL", "HEADRACE_TOKEN", "HEADRACE_RAY_ADDRESS")
    for name in names:
        if not environ.get(name):
            raise InvalidInputError(name, "", "missing", "The agent is started with it.")
    cluster, control_url, token, ray_address = (environ[name] for name in names)
    return AgentSettings(cluster, control_url, token, ray_address, environ.get("HEADRACE_RAY_TOKEN", ""))


def agent_command(settings: AgentSettings) -> tuple[list[str], dict[str, str]]:
    """The command and the extra environment of one agent."""
    env = {
        "HEADRACE_CLUSTER": settings.cluster,
        "HEADRACE_CONTROL_URL": settings.control_url,
        "HEADRACE_TOKEN": settings.token,
        "HEADRACE_RAY_ADDRESS": settings.ray_address,
        "HEADRACE_RAY_TOKEN": settings.ray_token,
        **ray_environment(settings.ray_token),
    }
    return [sys.executable, "-m", "scheduler.runtime.agent"], env


@dataclass(frozen=True, slots=True)
class Steps:
    """What one cycle does, and what it can't do, with the reason to report."""

    start: tuple[DesiredReplica, ...] = ()
    stop: tuple[str, ...] = ()
    waiting: tuple[ObservedReplica, ...] = ()


def next_steps(desired: DesiredState | None, view: HostView) -> Steps:
    """Compare the whole list with everything hosted.

    A replica of another generation is stopped first and started in a later cycle. One whose host process died is no
    longer hosted, and starts again as long as its node is there. One that failed for good is left as it is, so that its
    error can be read: the control plane decides.
    """
    if desired is None:
        return Steps()
    wanted = {replica.replica: replica for replica in desired.replicas}
    hosted = {replica.replica: replica for replica in view.replicas}
    stop = [name for name, seen in hosted.items() if name not in wanted or seen.generation not in (0, wanted[name].generation)]
    start, waiting = [], []
    alive = {node.node: node.alive for node in view.nodes}
    for name, replica in wanted.items():
        if name in hosted:
            continue
        if len(replica.nodes) != 1:
            waiting.append(_waiting(replica, ReplicaState.FAILED, f"a gang of {len(replica.nodes)} nodes can't be started by this agent"))
        elif (node := replica.nodes[0]) not in alive:
            waiting.append(_waiting(replica, ReplicaState.REQUESTED, f"node {node} has not joined yet"))
        elif not alive[node]:
            waiting.append(_waiting(replica, ReplicaState.LOST, f"node {node} is gone"))
        elif view.complete:
            start.append(replica)
    return Steps(tuple(start), tuple(stop), tuple(waiting))


def _waiting(replica: DesiredReplica, state: ReplicaState, error: str) -> ObservedReplica:
    return ObservedReplica(replica.replica, replica.generation, state, node=replica.nodes[0] if replica.nodes else "", error=error)


def _asked(replica: DesiredReplica) -> ObservedReplica:
    return ObservedReplica(replica.replica, replica.generation, ReplicaState.STARTING, node=replica.nodes[0])


class Agent:
    """Runs the two loops of one agent."""

    def __init__(self, settings: AgentSettings, host: ReplicaHost, control: ControlClient, clock: Clock) -> None:
        self._settings, self._host, self._control, self._clock = settings, host, control, clock
        self._desired: DesiredState | None = None
        self._wake = asyncio.Event()
        self._reported: ObservedState | None = None
        self._heard = True

    async def run(self) -> None:
        """Until cancelled. Raises HostStuckError where only a new process helps."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._reconcile())

    def accept(self, state: DesiredState) -> bool:
        """Take a newer desired state; refuse another cluster's, and what is not newer."""
        if state.cluster != self._settings.cluster:
            log.warning("desired_state_refused", cluster=self._settings.cluster, got=state.cluster)
            return False
        if self._desired is not None and not state.is_newer_than(self._desired):
            if (state.epoch, state.version) != (self._desired.epoch, self._desired.version):
                log.warning("desired_state_refused", held=[self._desired.epoch, self._desired.version], got=[state.epoch, state.version])
            return False
        self._desired = state
        self._wake.set()
        log.info("desired_state_accepted", epoch=state.epoch, version=state.version, replicas=len(state.replicas))
        return True

    async def _listen(self) -> None:
        while True:
            held = self._desired
            try:
                state = await self._control.desired(held.epoch if held else 0, held.version if held else 0, _WAIT_S)
            except (ControlUnreachableError, ControlRefusedError) as error:
                self._note(error)
                await asyncio.sleep(_RETRY_S)
                continue
            self._note(None)
            if state is not None and not self.accept(state):
                await asyncio.sleep(_RETRY_S)

    async def _reconcile(self) -> None:
        reported_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            observed = await self._cycle()
            changed = self._reported is None or replace(self._reported, observed_at=observed.observed_at) != observed
            if changed or loop.time() - reported_at >= _REPORT_S:
                reported_at = loop.time()
                await self._report(observed)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _CYCLE_S)
            self._wake.clear()

    async def _cycle(self) -> ObservedState:
        desired = self._desired
        view = await self._host.observe()
        steps = next_steps(desired, view)
        for replica in steps.stop:
            await self._host.stop(replica)
        for wanted in steps.start:
            await self._host.start(wanted)
        return ObservedState(
            cluster=self._settings.cluster,
            applied_epoch=desired.epoch if desired else 0,
            applied_version=desired.version if desired else 0,
            observed_at=self._clock(),
            complete=view.complete,
            nodes=view.nodes,
            # Whatever is wanted is listed, also what was asked for only now: a missing row would say that it is gone.
            replicas=tuple(sorted((*view.replicas, *steps.waiting, *map(_asked, steps.start)), key=lambda seen: seen.replica)),
            ray_address=self._settings.ray_address,
            agent_version=AGENT_VERSION,
        )

    async def _report(self, observed: ObservedState) -> None:
        try:
            await self._control.post_observed(observed)
        except (ControlUnreachableError, ControlRefusedError) as error:
            self._note(error)
        else:
            self._reported = observed

    def _note(self, error: Exception | None) -> None:
        """Log only when the control plane is lost or found again."""
        if error is not None and self._heard:
            log.warning("control_plane_lost", cluster=self._settings.cluster, error=str(error))
        elif error is None and not self._heard:
            log.info("control_plane_found", cluster=self._settings.cluster)
        self._heard = error is None


async def run_agent(settings: AgentSettings) -> int:
    """Run until SIGTERM; returns the exit code."""
    # Ray reads its settings when it is imported, so they are in place before that.
    os.environ.update(ray_environment(settings.ray_token))
    from scheduler.runtime.host.fleet import RayHost

    def clock() -> datetime:
        return datetime.now(tz=UTC)  # noqa: TID251 - the agent's one clock

    host = RayHost(settings.ray_address)
    async with ControlClient(settings.control_url, settings.cluster, settings.token) as control:
        running = asyncio.create_task(Agent(settings, host, control, clock).run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        try:
            await running
        except asyncio.CancelledError:
            await host.close()
            return 0
        except BaseExceptionGroup as group:
            stuck, other = group.split(HostStuckError)
            if stuck is None or other is not None:
                raise
            log.error("agent_stuck", cluster=settings.cluster, error=str(stuck.exceptions[0]))
        return STUCK_EXIT


if __name__ == "__main__":
    code = asyncio.run(run_agent(agent_settings(os.environ)))
    sys.stdout.flush()
    # A hung Ray thread would keep an orderly exit waiting for ever.
    os._exit(code)
