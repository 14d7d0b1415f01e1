"""The actor that stands beside one engine on its node. Imports little, since each engine pays for its memory."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import ray

from scheduler.domain.agentstate import DesiredReplica, ObservedReplica
from scheduler.runtime.backends import metric_names
from scheduler.runtime.engine_process import EngineProcess


class EngineHost:
    """The actor: supervises one engine process and tells how it is."""

    def __init__(self, desired: DesiredReplica) -> None:
        self._desired = desired
        folder = Path(os.environ.get("HEADRACE_NODE_DIR", tempfile.gettempdir())) / "engines"
        folder.mkdir(parents=True, exist_ok=True)
        self._engine = EngineProcess(
            desired.launch,
            metric_names(desired.launch),
            host=ray.util.get_node_ip_address(),  # type: ignore[no-untyped-call]
            log_path=folder / f"{desired.replica}.log",
        )
        self._engine.begin()

    def observe(self) -> ObservedReplica:
        """The replica as it is now; never waits."""
        status = self._engine.status()
        return ObservedReplica(
            replica=self._desired.replica,
            generation=self._desired.generation,
            state=status.state,
            node=self._desired.nodes[0],
            endpoint=status.endpoint,
            pid=status.pid,
            in_flight=status.in_flight,
            tokens_total=status.tokens_total,
            restarts=status.restarts,
            phases_ms=status.phases_ms,
            error=status.error,
        )

    def stop(self) -> None:
        """Ask the engine to end; ``observe`` tells when it has."""
        self._engine.stop()
