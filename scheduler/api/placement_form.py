"""The form of a problem document: one placement problem for the optimizer, independent of any running control plane.

Pydantic stays at this edge. Every field that the domain has a default for may be left out; unknown fields are errors. Money is integer
micro-USD, and units stand in the names.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from scheduler.domain.lifecycle import ClusterState, NodeState, ReplicaState, Schedulability
from scheduler.domain.offer import CapacityType, QuotaUnit, SourceKind
from scheduler.domain.workload import ANY_BUCKET, EngineKind, Evidence, FailureDomain

FORMAT = "headrace-problem"
VERSION = 1

MICRO_USD_MAX = 10**15
"""A billion dollars an hour; more is a mistake in the unit."""

TOKENS_PER_S_MAX = 1e9
"""More than all engines of the world together; more is a mistake in the unit."""

Id = Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^|\x00-\x1f]+$", description="without | and control characters")]
Text = Annotated[str, Field(max_length=4000)]
MicroUsd = Annotated[int, Field(ge=0, le=MICRO_USD_MAX)]
Rate = Annotated[float, Field(gt=0, le=TOKENS_PER_S_MAX, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**7)]
Seconds = Annotated[int, Field(ge=0, le=30 * 86_400)]
Country = Annotated[str, Field(pattern=r"^([A-Z]{2})?$", description="ISO country code, empty where unknown")]
Residence = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO country code, or EU")]


class Part(BaseModel):
    """Unknown fields are errors: a misspelt limit must not be silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RobustDoc(Part):
    """What every deployment must withstand beyond its own rules, as shares of its demand."""

    stockout_share: Share = 0.0
    demand_growth: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.0


class SettingsDoc(Part):
    """What is minimised: ``cost``, or cost less revenue; one-off costs of moves are spread over ``amortisation_h``."""

    objective: Literal["cost", "margin"] = "cost"
    amortisation_h: Annotated[float, Field(gt=0, le=87_600, allow_inf_nan=False)] = 24.0
    robust: RobustDoc = RobustDoc()


class InstanceTypeDoc(Part):
    """A hardware shape of one provider."""

    provider: Id
    name: Id
    accelerator: Id
    accelerator_count: Annotated[int, Field(ge=1, le=1024)]
    vcpus: Annotated[int, Field(ge=0, le=100_000)]
    memory_gib: Annotated[float, Field(ge=0, le=1e7, allow_inf_nan=False)]
    quota_family: Text = ""


class CapDoc(Part):
    """How many more nodes of an offer could launch now."""

    nodes: Count
    confidence: Share = 1.0
    reason: Text = ""


class OfferDoc(Part):
    """An instance type in a zone under a capacity type, at a price for the whole node. Without ``cap``, its stock is unknown."""

    type: Id = Field(description="provider/name of an instance type")
    region: Id
    zone: Id
    capacity_type: CapacityType
    price_micro_usd_per_h: MicroUsd
    jurisdiction: Country = ""
    account: Id = "default"
    interruptions_per_h: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] | None = None
    notice_s: Seconds = 0
    launch_s: Seconds = 180
    cap: CapDoc | None = None
    source: Text
    source_kind: SourceKind
    observed_at: AwareDatetime | None = None


class QuotaDoc(Part):
    """A provider's limit on us; ``region`` is empty where it holds over all regions."""

    provider: Id
    account: Id = "default"
    region: Text
    family: Text
    unit: QuotaUnit
    limit: Count
    capacity_types: list[CapacityType] = Field(min_length=1)
    used: Count = 0


class ReservationDoc(Part):
    """Nodes held for us and paid in any case; with both times a capacity block."""

    id: Id
    provider: Id
    account: Id = "default"
    region: Id
    zone: Text = ""
    instance_type: Id = Field(description="name of an instance type of the provider")
    count: Count
    sunk_micro_usd_per_h: MicroUsd
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None


class ClusterDoc(Part):
    """A control domain in one region of one provider; without ``zones`` it may hold nodes in all of them."""

    id: Id
    provider: Id
    region: Id
    jurisdiction: Country = ""
    account: Id = "default"
    zones: list[Id] = []
    schedulability: Schedulability = Schedulability.OPEN
    state: ClusterState = ClusterState.READY


class NodeDoc(Part):
    """A node that runs or is on its way."""

    id: Id
    cluster: Id
    offer_id: Id = Field(description="provider/account/region/zone/type/capacity of the offer it was launched from")
    instance_type: Id = Field(description="provider/name of an instance type")
    zone: Text = ""
    capacity_type: CapacityType
    price_micro_usd_per_h: MicroUsd
    state: NodeState = NodeState.READY


class ReplicaDoc(Part):
    """A replica that runs or is on its way, on one node or a gang of them, leader first."""

    id: Id
    deployment: Id
    shape: Id
    cluster: Id
    nodes: list[Id] = Field(min_length=1)
    state: ReplicaState = ReplicaState.READY


class ModelDoc(Part):
    """Weights and their needs."""

    id: Id
    parameters_b: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]
    bytes_per_parameter: Annotated[float, Field(gt=0, le=4, allow_inf_nan=False)] = 2.0
    context_tokens: Annotated[int, Field(ge=1, le=10**9)] = 8192
    source: Text = ""


class ShapeDoc(Part):
    """How a replica of a model is cut, and the output tokens per second it sustains by size bucket; ``all`` stands for every bucket."""

    id: Id
    model: Id
    engine: EngineKind = EngineKind.VLLM
    accelerator: Id
    accelerators_per_node: Annotated[int, Field(ge=1, le=1024)]
    nodes: Annotated[int, Field(ge=1, le=1024)] = 1
    tensor_parallel: Annotated[int, Field(ge=1, le=4096)] = 1
    pipeline_parallel: Annotated[int, Field(ge=1, le=4096)] = 1
    tokens_per_s: dict[str, Rate] = Field(min_length=1)
    evidence: Evidence
    source: Text
    as_of: date
    start_s: Seconds = 120


class DemandDoc(Part):
    """Output tokens per second that one origin needs at the peak."""

    origin: Text = ""
    tokens_per_s: Annotated[float, Field(ge=0, le=TOKENS_PER_S_MAX, allow_inf_nan=False)]
    bucket: Id = ANY_BUCKET
    jurisdictions: list[Residence] = []
    latency_ms_max: Annotated[int, Field(ge=0, le=60_000)] | None = None


class SloDoc(Part):
    """Latency and availability targets."""

    ttft_ms: Annotated[int, Field(ge=1, le=10**7)] = 2000
    tpot_ms: Annotated[int, Field(ge=1, le=10**6)] = 50
    availability: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.999


class SurvivabilityDoc(Part):
    """After losing any one domain, this share of every origin's demand is still served."""

    domain: FailureDomain
    share: Share = 1.0


class SpreadDoc(Part):
    """No domain holds more than this share of the replicas."""

    domain: FailureDomain
    max_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class RulesDoc(Part):
    """Where a deployment may run; an empty list allows everything."""

    providers: list[Id] = []
    regions: list[Id] = []
    jurisdictions: list[Residence] = []
    clusters: list[Id] = []
    accelerators: list[Id] = []
    capacity_types: list[CapacityType] = []
    spot_ceiling: Share = 1.0
    spot_loss_share: Share = 0.0
    stockout_share: Share = 0.0
    survivability: SurvivabilityDoc | None = None
    spread: SpreadDoc | None = None
    pins: list[Id] = []


class DisruptionDoc(Part):
    """How much may move at once."""

    max_unavailable: Count = 0
    max_surge: Annotated[int, Field(ge=1, le=10**6)] = 1


class PriceDoc(Part):
    """Micro-USD per million tokens."""

    input_micro_usd_per_mtok: MicroUsd
    output_micro_usd_per_mtok: MicroUsd


class DeploymentDoc(Part):
    """A model to be served, with its demand and rules."""

    id: Id
    model: Id
    engine: EngineKind = EngineKind.VLLM
    tenant: Id = "default"
    demand: list[DemandDoc] = Field(min_length=1)
    slo: SloDoc = SloDoc()
    headroom: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.2
    min_replicas: Count = 1
    max_replicas: Annotated[int, Field(ge=1, le=10**7)] = 100
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    best_effort: bool = False
    rules: RulesDoc = RulesDoc()
    disruption: DisruptionDoc = DisruptionDoc()
    price_book: PriceDoc | None = None
    budget_micro_usd_per_h: MicroUsd | None = None


class EndpointDoc(Part):
    """Someone else's endpoint, paid per token; a plan takes it by slices, each of which counts as a replica."""

    id: Id
    model: Id
    url: Text
    jurisdiction: Country = ""
    price: PriceDoc
    tokens_per_s_max: Rate | None = None
    slice_tokens_per_s: Rate = 100.0


class EgressDoc(Part):
    """Price of moving a gigabyte; places are ``provider:region``."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: Id = Field(alias="from")
    to: Id
    micro_usd_per_gb: MicroUsd


class LatencyDoc(Part):
    """Network round trip from an origin to ``provider:region``."""

    origin: Text
    place: Id
    ms: Annotated[int, Field(ge=0, le=60_000)]


class ProblemDoc(Part):
    """A placement problem."""

    format: Literal["headrace-problem"]
    version: Literal[1]
    taken_at: AwareDatetime
    about: dict[str, Any] = {}
    settings: SettingsDoc = SettingsDoc()
    instance_types: list[InstanceTypeDoc] = []
    offers: list[OfferDoc] = []
    quotas: list[QuotaDoc] = []
    reservations: list[ReservationDoc] = []
    clusters: list[ClusterDoc] = []
    nodes: list[NodeDoc] = []
    replicas: list[ReplicaDoc] = []
    models: list[ModelDoc] = []
    shapes: list[ShapeDoc] = []
    deployments: list[DeploymentDoc] = []
    endpoints: list[EndpointDoc] = []
    egress_micro_usd_per_gb: list[EgressDoc] = []
    latency_ms: list[LatencyDoc] = []
