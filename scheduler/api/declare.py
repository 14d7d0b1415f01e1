"""From a checked document to domain values, and the checks that need to know the market: places, accelerators, SLOs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from scheduler.api.schema import CommandIn, DeploymentIn, FleetIn, InvalidInputErrors, ModelIn, PriceIn, check_accelerator
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.fleet import Cluster
from scheduler.domain.offer import Offer
from scheduler.domain.stores import Workload
from scheduler.domain.units import micro_usd
from scheduler.domain.workload import (
    ANY_BUCKET,
    Adapter,
    AliasTarget,
    Demand,
    Deployment,
    DisruptionBudget,
    EngineCommand,
    EngineKind,
    EngineShape,
    Evidence,
    ExternalEndpoint,
    Model,
    ModelAlias,
    PlacementRules,
    PriceBook,
    Slo,
    Spread,
    StreamPolicy,
    Survivability,
    Tenant,
)
from scheduler.optimizer.shapes import fastest_tpot_ms


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of places: regions by provider, and the jurisdiction of each."""

    regions: Mapping[str, frozenset[str]]
    jurisdictions: Mapping[tuple[str, str], str]

    @staticmethod
    def of(offers: Iterable[Offer]) -> Market:
        regions: dict[str, set[str]] = defaultdict(set)
        law: dict[tuple[str, str], str] = {}
        for offer in offers:
            regions[offer.provider].add(offer.region)
            if offer.jurisdiction:
                law[offer.provider, offer.region] = offer.jurisdiction
        return Market({name: frozenset(found) for name, found in regions.items()}, law)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A fleet file as domain values."""

    clusters: tuple[Cluster, ...]
    workload: Workload


def declare(document: FleetIn, market: Market, known: Workload, known_clusters: Iterable[Cluster], today: date) -> Declaration:
    """Check the document against the world and convert it.

    Raises:
        InvalidInputErrors: everything that is wrong, at once.
    """
    errors: list[InvalidInputError] = []
    models = {model.id: model for model in known.models} | {given.id: _model(given) for given in document.models}
    clusters = {cluster.id for cluster in known_clusters} | {given.id for given in document.clusters}
    deployments = {deployment.id for deployment in known.deployments} | {given.id for given in document.deployments}
    for index, cluster in enumerate(document.clusters):
        errors += _place_errors(f"clusters[{index}]", cluster.provider, cluster.region, market)
    for index, model in enumerate(document.models):
        for number, shape in enumerate(model.shapes):
            errors += _accelerator_errors(f"models[{index}].shapes[{number}].accelerator", shape.accelerator)
    for index, deployment in enumerate(document.deployments):
        errors += deployment_errors(f"deployments[{index}]", deployment, models, clusters, market)
    for index, alias in enumerate(document.aliases):
        for number, target in enumerate(alias.targets):
            if target.deployment not in deployments:
                field = f"aliases[{index}].targets[{number}].deployment"
                errors.append(InvalidInputError(field, target.deployment, "no such deployment", f"Known: {_list(deployments)}."))
    errors += _duplicates("deployments", [d.id for d in document.deployments]) + _duplicates("clusters", [c.id for c in document.clusters])
    if errors:
        raise InvalidInputErrors(errors)
    return Declaration(
        clusters=tuple(
            Cluster(
                c.id,
                c.provider,
                c.region,
                c.jurisdiction or market.jurisdictions.get((c.provider, c.region), ""),
                c.account,
                tuple(c.zones),
            )
            for c in document.clusters
        ),
        workload=Workload(
            deployments=tuple(deployment_of(given) for given in document.deployments),
            models=tuple(_model(given) for given in document.models),
            shapes=tuple(shape for given in document.models for shape in _shapes(given, document, today)),
            aliases=tuple(ModelAlias(a.name, tuple(AliasTarget(t.deployment, t.weight) for t in a.targets)) for a in document.aliases),
            endpoints=tuple(
                ExternalEndpoint(e.id, e.model, e.url, e.jurisdiction, _price(e.price), e.max_tokens_per_s)
                for e in document.external_endpoints
            ),
            tenants=tuple(Tenant(t.id, t.name or t.id) for t in document.tenants),
        ),
    )


def _place_errors(field: str, provider: str, region: str, market: Market) -> list[InvalidInputError]:
    if provider not in market.regions:
        return [
            InvalidInputError(f"{field}.provider", provider, "no offers are known of this provider", f"Known: {_list(market.regions)}.")
        ]
    if region not in market.regions[provider]:
        remedy = f"{provider} has offers in {_list(market.regions[provider])}."
        return [InvalidInputError(f"{field}.region", region, f"no offers are known in this region of {provider}", remedy)]
    return []


def _accelerator_errors(field: str, key: str) -> list[InvalidInputError]:
    try:
        check_accelerator(field, key)
    except InvalidInputError as error:
        return [error]
    return []


def deployment_errors(
    field: str, given: DeploymentIn, models: Mapping[str, Model], clusters: Collection[str], market: Market
) -> list[InvalidInputError]:
    """What is wrong with one deployment in this world."""
    errors: list[InvalidInputError] = []
    model = models.get(given.model)
    if model is None:
        errors.append(
            InvalidInputError(f"{field}.model", given.model, "no such model", f"Declare it under models; known: {_list(models)}.")
        )
    elif given.slo.tpot_ms < fastest_tpot_ms(model):
        least = fastest_tpot_ms(model)
        remedy = f"Use at least {least:.0f} ms, or a smaller model."
        errors.append(
            InvalidInputError(f"{field}.slo.tpot_ms", given.slo.tpot_ms, "no known accelerator is that fast for this model", remedy)
        )
    for key in given.rules.accelerators:
        errors += _accelerator_errors(f"{field}.rules.accelerators", key)
    for provider in given.rules.providers:
        if provider not in market.regions:
            errors.append(InvalidInputError(f"{field}.rules.providers", provider, "unknown provider", f"Known: {_list(market.regions)}."))
    regions = frozenset().union(*market.regions.values()) if market.regions else frozenset()
    for region in given.rules.regions:
        if region not in regions:
            errors.append(InvalidInputError(f"{field}.rules.regions", region, "unknown region", "`headrace offers` lists the known ones."))
    for name in (*given.rules.clusters, *given.rules.pins):
        if name not in clusters:
            errors.append(InvalidInputError(f"{field}.rules.clusters", name, "no such cluster", f"Known: {_list(clusters)}."))
    return errors


def _duplicates(field: str, names: list[str]) -> list[InvalidInputError]:
    twice = sorted({name for name in names if names.count(name) > 1})
    return [InvalidInputError(field, name, "declared twice", "Keep one.") for name in twice]


def _list(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:12]) + (f" and {len(ordered) - 12} more" if len(ordered) > 12 else "") if ordered else "none"


def _price(given: PriceIn) -> PriceBook:
    return PriceBook(micro_usd(given.input_usd_per_mtok), micro_usd(given.output_usd_per_mtok))


def _model(given: ModelIn) -> Model:
    return Model(
        id=given.id,
        source=given.source,
        parameters_b=given.parameters_b,
        bytes_per_parameter=given.bytes_per_parameter,
        context_tokens=given.context_tokens,
        revision=given.revision,
        license=given.license,
    )


def _shapes(given: ModelIn, document: FleetIn, today: date) -> list[EngineShape]:
    """Declared shapes, for the engine they name or for every engine a deployment of the document uses."""
    used = sorted({d.engine for d in document.deployments if d.model == given.id} or {EngineKind.VLLM})
    return [
        EngineShape(
            id=f"{given.id}/{engine.value}/{shape.accelerator}x{shape.count}" + (f"x{shape.nodes}nodes" if shape.nodes > 1 else ""),
            model=given.id,
            engine=engine,
            accelerator=shape.accelerator,
            accelerators_per_node=shape.count,
            tokens_per_s={ANY_BUCKET: shape.tokens_per_s},
            evidence=Evidence(shape.evidence),
            source=shape.source,
            as_of=shape.as_of or today,
            nodes=shape.nodes,
            tensor_parallel=shape.count,
            pipeline_parallel=shape.nodes,
            start_s=shape.start_s,
        )
        for shape in given.shapes
        for engine in ([shape.engine] if shape.engine is not None else used)
    ]


def deployment_of(given: DeploymentIn) -> Deployment:
    """As a domain value."""
    rules = given.rules
    return Deployment(
        id=given.id,
        model=given.model,
        demand=tuple(Demand(d.origin, d.tokens_per_s, ANY_BUCKET, tuple(d.jurisdictions)) for d in given.demand),
        engine=given.engine,
        adapters=tuple(Adapter(a.name, a.source) for a in given.adapters),
        engine_args=tuple(given.engine_args),
        tenant=given.tenant,
        slo=Slo(given.slo.ttft_ms, given.slo.tpot_ms, given.slo.availability),
        headroom=given.headroom,
        min_replicas=given.min_replicas,
        max_replicas=given.max_replicas,
        priority=given.priority,
        best_effort=given.best_effort,
        rules=PlacementRules(
            providers=tuple(rules.providers),
            regions=tuple(rules.regions),
            jurisdictions=tuple(rules.jurisdictions),
            clusters=tuple(rules.clusters),
            accelerators=tuple(rules.accelerators),
            capacity_types=tuple(kind.value for kind in rules.capacity_types),
            spot_ceiling=rules.spot_ceiling,
            spot_loss_share=rules.spot_loss_share,
            survivability=Survivability(rules.survivability.domain, rules.survivability.share) if rules.survivability else None,
            spread=Spread(rules.spread.domain, rules.spread.max_share) if rules.spread else None,
            pins=tuple(rules.pins),
        ),
        disruption=DisruptionBudget(given.disruption.max_unavailable, given.disruption.max_surge),
        price_book=_price(given.price) if given.price is not None else None,
        budget_micro_usd_per_h=micro_usd(given.budget_usd_per_h) if given.budget_usd_per_h is not None else None,
        stream=StreamPolicy(given.stream.resume, given.stream.hold_s, given.stream.silence_s),
        command=_command(given.command) if given.command is not None else None,
    )


def _command(given: CommandIn) -> EngineCommand:
    names = given.metrics
    env = tuple(sorted(given.env.items()))
    return EngineCommand(tuple(given.argv), env, given.health_path, names.running, names.waiting, names.tokens)
