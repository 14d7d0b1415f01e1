"""What the agent knows of the engines' actors and of the cluster's nodes. Values only; no call into Ray."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from scheduler.domain.agentstate import ObservedNode, ObservedReplica
from scheduler.domain.lifecycle import ReplicaState
from scheduler.runtime.node import NODE_LABEL

PLACE_S = 60.0
"""An actor that has no worker by then is given up: its GPUs are taken, or its node is going."""


@dataclass(slots=True)
class Hosted:
    """What the Ray thread keeps of one actor.

    Attributes:
        question: the one ``observe`` call in flight. answered: it has a worker, and has told how it is.
        acquire_ms: from our request to the actor's first answer.
    """

    handle: Any
    last: ObservedReplica
    requested_at: float
    adopted: bool
    question: Any = None
    answered: bool = False
    acquire_ms: int | None = None
    stopping_at: float | None = None

    def shown(self) -> ObservedReplica:
        """The last answer, with what only the agent knows."""
        seen = self.last
        if self.acquire_ms is not None:
            seen = replace(seen, phases_ms={"acquire": self.acquire_ms, **seen.phases_ms})
        elif not self.answered and time.monotonic() - self.requested_at > PLACE_S:
            seen = replace(seen, state=ReplicaState.FAILED, error=f"no place on node {seen.node} within {PLACE_S:.0f} s")
        if self.stopping_at is not None and seen.state is not ReplicaState.STOPPED:
            seen = replace(seen, state=ReplicaState.STOPPING)
        return seen

    def placeless(self, gone: set[str]) -> bool:
        """True for a request that can't be met: Ray would hold an actor for a node that is gone, and wait for ever.

        An adopted request that still waits ends in time too; the agent then asks anew, and knows what it asked.
        """
        late = self.adopted and time.monotonic() - self.requested_at > PLACE_S
        return not self.answered and (self.last.node in gone or late)


def labelled_nodes(rows: list[dict[str, Any]]) -> tuple[ObservedNode, ...]:
    """Nodes that carry our label. A node that joined again has several rows: it is alive if one of them is."""
    found: dict[str, ObservedNode] = {}
    for row in rows:
        name = row["Labels"].get(NODE_LABEL)
        if name is None:
            continue
        node = ObservedNode(name, bool(row["Alive"]), int(row["Resources"].get("GPU", 0)))
        if name not in found or node.alive:
            found[name] = node
    return tuple(found[name] for name in sorted(found))
