"""Every engine backend by its kind; the one place to register a new one."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.workload import EngineKind
from scheduler.runtime.engine import EngineBackend
from scheduler.runtime.llamacpp import LlamaCppBackend
from scheduler.runtime.sglang import SglangBackend
from scheduler.runtime.vllm import VllmBackend

BACKENDS: Mapping[EngineKind, EngineBackend] = {
    EngineKind.VLLM: VllmBackend(),
    EngineKind.SGLANG: SglangBackend(),
    EngineKind.LLAMACPP: LlamaCppBackend(),
}
