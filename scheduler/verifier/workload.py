"""The parts of the problem document that say what must be served: models, shapes, deployments with their rules."""

from __future__ import annotations

from dataclasses import replace

from scheduler.verifier.reading import Fields, read_all
from scheduler.verifier.world import Demand, Deployment, Rules, Shape

DOMAINS = ("zone", "region", "provider")
ENGINES = ("vllm", "sglang", "llamacpp")


def model(row: Fields) -> tuple[str, float]:
    """A model's id and the size of its weights in GiB."""
    row.ignore("context_tokens", "source")
    return row.text("id"), row.number("parameters_b") * 1e9 * row.number("bytes_per_parameter", 2.0) / 2**30


def shape(row: Fields) -> Shape:
    """One engine shape."""
    row.ignore("tensor_parallel", "pipeline_parallel", "evidence", "source", "as_of")
    return Shape(
        id=row.text("id"),
        model=row.text("model"),
        engine=row.choice("engine", ENGINES, "vllm"),
        accelerator=row.text("accelerator"),
        per_node=row.integer("accelerators_per_node", least=1),
        nodes=row.integer("nodes", 1, least=1),
        rates=row.numbers("tokens_per_s"),
        start_s=row.integer("start_s", 120),
    )


def deployment(row: Fields) -> Deployment:
    """One deployment with its rules."""
    row.ignore("tenant", "slo", "priority", "disruption", "price_book")
    return Deployment(
        id=row.text("id"),
        model=row.text("model"),
        engine=row.choice("engine", ENGINES, "vllm"),
        demand=tuple(read_all(row, "demand", _demand)),
        headroom=row.number("headroom", 0.2),
        min_replicas=row.integer("min_replicas", 1),
        max_replicas=row.integer("max_replicas", 100),
        best_effort=row.flag("best_effort"),
        rules=_rules(row.part("rules")),
        budget=row.integer("budget_micro_usd_per_h") if row.has("budget_micro_usd_per_h") else None,
    )


def withstanding(of: Deployment, stockout_share: float, growth: float) -> Deployment:
    """The deployment with at least what the settings ask of all."""
    rules = replace(of.rules, stockout_share=max(of.rules.stockout_share, stockout_share))
    return replace(of, rules=rules, headroom=max(of.headroom, growth))


def _demand(row: Fields) -> Demand:
    return Demand(
        origin=row.text("origin", ""),
        tokens_per_s=row.number("tokens_per_s"),
        bucket=row.text("bucket", "all"),
        jurisdictions=row.texts("jurisdictions"),
        latency_ms_max=row.integer("latency_ms_max") if row.has("latency_ms_max") else None,
    )


def _rules(row: Fields) -> Rules:
    survivability = row.part("survivability") if row.has("survivability") else None
    spread = row.part("spread") if row.has("spread") else None
    rules = Rules(
        providers=row.texts("providers"),
        regions=row.texts("regions"),
        jurisdictions=row.texts("jurisdictions"),
        clusters=row.texts("clusters"),
        accelerators=row.texts("accelerators"),
        capacity_types=row.texts("capacity_types"),
        spot_ceiling=row.number("spot_ceiling", 1.0),
        spot_loss_share=row.number("spot_loss_share", 0.0),
        stockout_share=row.number("stockout_share", 0.0),
        survivability=(survivability.choice("domain", DOMAINS), survivability.number("share", 1.0)) if survivability else None,
        spread=(spread.choice("domain", DOMAINS), spread.number("max_share")) if spread else None,
        pins=row.texts("pins"),
    )
    for part in (row, survivability, spread):
        if part is not None:
            part.done()
    return rules
