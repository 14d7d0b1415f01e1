"""The backend for any program that serves OpenAI's API: the deployment says how it is started, the supervisor does the rest."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.workload import Deployment, EngineKind, EngineShape, Model
from scheduler.runtime.engine import EngineMetricNames, filled, require_single_node

_MAX_CONCURRENCY = 256


class CommandBackend:
    """Starts the deployment's own command.

    ``{model}`` and ``{revision}`` are known here; ``{host}``, ``{port}`` and ``{weights}`` are filled in on the node. The engine
    should answer to the deployment's name and send usage with every answer, else its tokens are not metered.
    """

    kind = EngineKind.COMMAND
    metrics = EngineMetricNames("", "", "")

    def launch(self, deployment: Deployment, model: Model, shape: EngineShape, aliases: Sequence[str] = ()) -> EngineLaunch:
        """See ``EngineBackend.launch``. Aliases are the command's own affair."""
        require_single_node(shape)
        command = deployment.command
        if command is None:
            raise InvalidInputError(
                f"deployments.{deployment.id}.command", None, "the engine is command, but there is none", "Add command with its argv."
            )
        known = {"model": deployment.id, "revision": model.revision}
        return EngineLaunch(
            kind=self.kind,
            argv=(*filled(command.argv, known), *deployment.engine_args),
            weights=model.source,
            revision=model.revision,
            model_name=deployment.id,
            env=dict(command.env),
            health_path=command.health_path,
            start_timeout_s=max(600, shape.start_s * 4),
            max_concurrency=_MAX_CONCURRENCY,
            metric_names=(command.running, command.waiting, command.tokens),
        )
