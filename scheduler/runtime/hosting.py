"""What the agent asks of whatever holds the engines. ``runtime.host.fleet`` implements it on Ray; nothing here knows Ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scheduler.domain.agentstate import DesiredReplica, ObservedNode, ObservedReplica
from scheduler.domain.errors import HeadraceError

AGENT_NAMESPACE = "headrace"
"""Ray namespace of all engine hosts."""


class HostStuckError(HeadraceError):
    """A call into Ray has hung past every deadline: end this process and start a new one, which re-adopts the engines."""


@dataclass(frozen=True, slots=True)
class HostView:
    """What is hosted now.

    Attributes:
        complete: False where the head is out of reach; nodes, and replicas that could not be asked, are then the last known.
    """

    complete: bool
    nodes: tuple[ObservedNode, ...] = ()
    replicas: tuple[ObservedReplica, ...] = ()


class ReplicaHost(Protocol):
    """Holds engines on nodes. Every method returns within seconds, whatever the state of the head."""

    async def observe(self) -> HostView:
        """Look at everything hosted, adopting what an earlier agent started. Raises HostStuckError."""
        ...

    async def start(self, desired: DesiredReplica) -> None:
        """Begin to host a replica; does nothing where it is hosted already."""
        ...

    async def stop(self, replica: str) -> None:
        """Bring a replica nearer to its end; call it until ``observe`` no longer shows the replica."""
        ...

    async def close(self) -> None:
        """Let go of the connection. Engines go on."""
        ...
