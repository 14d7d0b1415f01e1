"""The vLLM backend: ``vllm serve``. Flags as in the vLLM engine arguments reference."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.workload import Deployment, EngineKind, EngineShape, Model
from scheduler.runtime.engine import EngineMetricNames, require_parallel_fits, require_single_node, served_names

_MAX_CONCURRENCY = 256
"""vLLM batches up to ``--max-num-seqs`` sequences; the same number caps what the edge sends."""


class VllmBackend:
    """Starts vLLM's OpenAI server.

    Usage is forced into every stream, so that the edge can meter tokens. ``--shutdown-timeout`` lets requests finish
    that the edge did not drain in time; vLLM's default of 0 aborts them.
    """

    kind = EngineKind.VLLM
    metrics = EngineMetricNames("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:generation_tokens_total")

    def launch(self, deployment: Deployment, model: Model, shape: EngineShape, aliases: Sequence[str] = ()) -> EngineLaunch:
        """See ``EngineBackend.launch``."""
        require_single_node(shape)
        require_parallel_fits(shape)
        argv = [
            "vllm",
            "serve",
            "{weights}",
            "--host",
            "{host}",
            "--port",
            "{port}",
            "--served-model-name",
            *served_names(deployment, model, aliases),
            "--tensor-parallel-size",
            str(shape.tensor_parallel),
            "--pipeline-parallel-size",
            str(shape.pipeline_parallel),
            "--max-model-len",
            str(model.context_tokens),
            "--max-num-seqs",
            str(_MAX_CONCURRENCY),
            "--enable-force-include-usage",
            "--shutdown-timeout",
            "20",
        ]
        if model.revision:
            argv += ["--revision", model.revision]
        if deployment.adapters:
            argv += ["--enable-lora", "--max-loras", str(len(deployment.adapters)), "--lora-modules"]
            argv += [f"{adapter.name}={adapter.source}" for adapter in deployment.adapters]
        return EngineLaunch(
            kind=self.kind,
            argv=(*argv, *deployment.engine_args),
            weights=model.source,
            revision=model.revision,
            model_name=deployment.id,
            env={"VLLM_NO_USAGE_STATS": "1"},
            start_timeout_s=max(600, shape.start_s * 4),
            max_concurrency=_MAX_CONCURRENCY,
        )
