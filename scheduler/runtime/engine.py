"""What an engine backend must offer: a launch description, and a reading of the engine's own metrics.

Backends are pure: they build values and parse text. Starting processes is ``runtime.engine_process``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scheduler.domain.agentstate import EngineLaunch
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.workload import Deployment, EngineKind, EngineShape, Model


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """What an engine says of itself.

    Attributes:
        in_flight: requests running and queued. tokens_total: output tokens since it started.
    """

    in_flight: int
    tokens_total: int


@dataclass(frozen=True, slots=True)
class EngineMetricNames:
    """Prometheus names under which an engine publishes its load."""

    running: str
    waiting: str
    tokens: str


class EngineBackend(Protocol):
    """One kind of engine."""

    kind: EngineKind
    metrics: EngineMetricNames

    def launch(self, deployment: Deployment, model: Model, shape: EngineShape, aliases: Sequence[str] = ()) -> EngineLaunch:
        """How to start one replica.

        Args:
            aliases: further public names of the deployment, for engines that refuse names they don't know.

        Raises:
            InvalidInputError: the shape or a rule can't be served by this engine.
        """
        ...


def served_names(deployment: Deployment, model: Model, aliases: Sequence[str]) -> tuple[str, ...]:
    """Names the engine answers to, the deployment's own first, each once."""
    return tuple(dict.fromkeys((deployment.id, model.id, *aliases)))


def require_single_node(shape: EngineShape) -> None:
    """Refuse a gang where the backend starts one process on one node.

    Raises:
        InvalidInputError: the shape spans several nodes.
    """
    if shape.nodes != 1:
        raise InvalidInputError(
            f"shapes.{shape.id}.nodes", shape.nodes, f"{shape.engine} runs on one node here", "Use a shape with nodes = 1."
        )


def require_parallel_fits(shape: EngineShape) -> None:
    """Check that tensor × pipeline parallel is the number of GPUs taken.

    Raises:
        InvalidInputError: they differ.
    """
    ranks = shape.tensor_parallel * shape.pipeline_parallel
    if ranks != max(1, shape.accelerators_per_node * shape.nodes):
        raise InvalidInputError(
            f"shapes.{shape.id}.accelerators_per_node",
            shape.accelerators_per_node,
            f"tensor x pipeline parallel is {ranks}",
            "Make their product equal to the GPUs of the replica.",
        )


def read_load(names: EngineMetricNames, exposition: str) -> EngineLoad:
    """Sum the wanted series of a Prometheus text; engines label them by model, so there may be several of a name."""
    totals = dict.fromkeys((names.running, names.waiting, names.tokens), 0.0)
    for line in exposition.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if name in totals:
            totals[name] += _value(line)
    return EngineLoad(in_flight=int(totals[names.running] + totals[names.waiting]), tokens_total=int(totals[names.tokens]))


def _value(line: str) -> float:
    """The sample of a line ``name{labels} value [timestamp]``; 0 where it is not a finite number."""
    fields = line.rpartition("}")[2].split() if "}" in line else line.split()[1:]
    try:
        value = float(fields[0])
    except (IndexError, ValueError):
        return 0.0
    return value if value == value and abs(value) != float("inf") else 0.0


def filled(argv: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Fill ``{host}``, ``{port}`` and ``{weights}`` in; other braces stay, since engine arguments may be JSON."""
    out = []
    for argument in argv:
        text = argument
        for name, value in values.items():
            text = text.replace("{" + name + "}", value)
        out.append(text)
    return out
