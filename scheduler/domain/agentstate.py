"""What the control plane asks of a cluster agent, and what the agent reports. Values only; the wire form is runtime.protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.workload import EngineKind


@dataclass(frozen=True, slots=True)
class EngineLaunch:
    """How to start one engine server process.

    Attributes:
        argv: program and arguments; ``{host}``, ``{port}`` and ``{weights}`` are filled in on the node. Never a shell string.
        weights: model source to fetch or find on the node first.
        model_name: the name the engine answers to.
        health_path: answers 200 when the engine listens. warmup_prompt: must be answered before READY.
        revision: of the weights, pinned; "" where the source has none.
        metric_names: Prometheus names of requests running and waiting and of output tokens, "" where the engine has none; None stands
            for those of the engine's kind.
    """

    kind: EngineKind
    argv: tuple[str, ...]
    weights: str
    model_name: str
    env: Mapping[str, str] = field(default_factory=dict)
    health_path: str = "/health"
    warmup_prompt: str = "Say hello."
    start_timeout_s: int = 600
    max_concurrency: int = 64
    revision: str = ""
    metric_names: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class DesiredReplica:
    """One replica that must run. ``generation`` changes when it must be restarted with another specification.

    Attributes:
        nodes: node ids; the engine starts on the first, a gang spans all.
        accelerators: GPUs on each node.
    """

    replica: str
    deployment: str
    generation: int
    nodes: tuple[str, ...]
    accelerators: int
    launch: EngineLaunch


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Everything one cluster must run: a full list, never a difference.

    Attributes:
        epoch: leader epoch; agents refuse an older one.
        version: increases with every change inside an epoch; agents refuse an older one.
    """

    cluster: str
    epoch: int
    version: int
    replicas: tuple[DesiredReplica, ...] = ()
    nodes: tuple[str, ...] = ()

    def is_newer_than(self, other: DesiredState) -> bool:
        return (self.epoch, self.version) > (other.epoch, other.version)


@dataclass(frozen=True, slots=True)
class ObservedReplica:
    """One replica as the agent sees it.

    Attributes:
        phases_ms: time spent by start-up phase (acquire, pull, load, warm).
        in_flight: requests running in the engine.
        tokens_total: output tokens generated since the engine started.
    """

    replica: str
    generation: int
    state: ReplicaState
    node: str
    endpoint: str = ""
    pid: int | None = None
    in_flight: int = 0
    tokens_total: int = 0
    restarts: int = 0
    phases_ms: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class ObservedNode:
    """One node that joined the cluster's Ray."""

    node: str
    alive: bool
    accelerators: int


@dataclass(frozen=True, slots=True)
class ObservedState:
    """Everything one agent sees, under its lease.

    Attributes:
        applied_epoch, applied_version: the desired state it works on.
        complete: False where the agent cannot see its Ray head at the moment; then the lists are the last known.
    """

    cluster: str
    applied_epoch: int
    applied_version: int
    observed_at: datetime
    complete: bool = True
    nodes: tuple[ObservedNode, ...] = ()
    replicas: tuple[ObservedReplica, ...] = ()
    ray_address: str = ""
    agent_version: str = ""
