"""Every engine backend by its kind; the one place to register a new one."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.workload import EngineKind
from scheduler.runtime.command import CommandBackend
from scheduler.runtime.engine import EngineBackend, EngineMetricNames
from scheduler.runtime.llamacpp import LlamaCppBackend
from scheduler.runtime.sglang import SglangBackend
from scheduler.runtime.vllm import VllmBackend

BACKENDS: Mapping[EngineKind, EngineBackend] = {
    EngineKind.VLLM: VllmBackend(),
    EngineKind.SGLANG: SglangBackend(),
    EngineKind.LLAMACPP: LlamaCppBackend(),
    EngineKind.COMMAND: CommandBackend(),
}


def metric_names(launch: EngineLaunch) -> EngineMetricNames:
    """Under which names the engine of this launch publishes its load."""
    return EngineMetricNames(*launch.metric_names) if launch.metric_names is not None else BACKENDS[launch.kind].metrics
