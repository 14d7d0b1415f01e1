"""The SGLang backend: ``python -m sglang.launch_server``. Flags as in SGLang's server arguments reference."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.workload import Deployment, EngineKind, EngineShape, Model
from scheduler.runtime.engine import EngineMetricNames, require_parallel_fits, require_single_node

_MAX_CONCURRENCY = 256


class SglangBackend:
    """Starts SGLang's OpenAI server, which answers to any model name that is not an adapter's."""

    kind = EngineKind.SGLANG
    metrics = EngineMetricNames("sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:generation_tokens_total")

    def launch(self, deployment: Deployment, model: Model, shape: EngineShape, aliases: Sequence[str] = ()) -> EngineLaunch:
        """See ``EngineBackend.launch``."""
        require_single_node(shape)
        require_parallel_fits(shape)
        argv = [
            "python",
            "-m",
            "sglang.launch_server",
            "--model-path",
            "{weights}",
            "--host",
            "{host}",
            "--port",
            "{port}",
            "--served-model-name",
            deployment.id,
            "--tp-size",
            str(shape.tensor_parallel),
            "--pp-size",
            str(shape.pipeline_parallel),
            "--context-length",
            str(model.context_tokens),
            "--max-running-requests",
            str(_MAX_CONCURRENCY),
            "--enable-metrics",
            "--stream-response-default-include-usage",
        ]
        if model.revision:
            argv += ["--revision", model.revision]
        if deployment.adapters:
            _refuse_reserved(deployment)
            argv += ["--enable-lora", "--lora-paths"]
            argv += [f"{adapter.name}={adapter.source}" for adapter in deployment.adapters]
        return EngineLaunch(
            kind=self.kind,
            argv=(*argv, *deployment.engine_args),
            weights=model.source,
            revision=model.revision,
            model_name=deployment.id,
            start_timeout_s=max(600, shape.start_s * 4),
            max_concurrency=_MAX_CONCURRENCY,
        )


def _refuse_reserved(deployment: Deployment) -> None:
    for adapter in deployment.adapters:
        if "=" in adapter.name or ":" in adapter.name:
            raise InvalidInputError(
                f"deployments.{deployment.id}.adapters", adapter.name, "SGLang splits names at '=' and ':'", "Choose another name."
            )
