"""Problem documents as domain values. ``placement_write`` is the way back; what one writes the other reads as the same values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scheduler.api import placement_form as form
from scheduler.api.placement_check import checked
from scheduler.domain.fleet import Cluster, Node, Replica
from scheduler.domain.offer import Availability, InstanceType, Offer, Quota, Reservation
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.workload import (
    Demand,
    Deployment,
    DisruptionBudget,
    EngineShape,
    ExternalEndpoint,
    Model,
    PlacementRules,
    PriceBook,
    Robust,
    Slo,
    Spread,
    Survivability,
)


@dataclass(frozen=True, slots=True)
class PlacementProblem:
    """One document.

    Attributes:
        objective: ``cost`` or ``margin``.
        about: how the problem was made, free text by name.
    """

    snapshot: Snapshot
    objective: str = "cost"
    about: Mapping[str, Any] = field(default_factory=dict)


def problem_of(text: str | bytes) -> PlacementProblem:
    """Check a document, JSON, and make domain values of it.

    Raises:
        InvalidInputErrors: every wrong field with its value and a remedy.
    """
    doc = checked(text)
    types = {f"{each.provider}/{each.name}": InstanceType(**each.model_dump()) for each in doc.instance_types}
    offers = tuple(_offer(each, types[each.type], doc.taken_at) for each in doc.offers)
    caps = {offer.id: _cap(each.cap) for offer, each in zip(offers, doc.offers, strict=True) if each.cap is not None}
    snapshot = Snapshot(
        version=1,
        taken_at=doc.taken_at,
        offers=offers,
        caps=caps,
        quotas=tuple(_quota(each, doc.taken_at) for each in doc.quotas),
        reservations=tuple(Reservation(**each.model_dump(), observed_at=doc.taken_at) for each in doc.reservations),
        clusters=tuple(_cluster(each) for each in doc.clusters),
        nodes=tuple(_node(each, types[each.instance_type], doc.taken_at) for each in doc.nodes),
        replicas=tuple(_replica(each, doc.taken_at) for each in doc.replicas),
        models=tuple(Model(**each.model_dump()) for each in doc.models),
        shapes=tuple(EngineShape(**each.model_dump()) for each in doc.shapes),
        deployments=tuple(_deployment(each) for each in doc.deployments),
        endpoints=tuple(_endpoint(each) for each in doc.endpoints),
        egress_micro_usd_per_gb={(each.source, each.to): each.micro_usd_per_gb for each in doc.egress_micro_usd_per_gb},
        latency_ms={(each.origin, each.place): each.ms for each in doc.latency_ms},
        amortisation_h=doc.settings.amortisation_h,
        robust=Robust(**doc.settings.robust.model_dump()),
    )
    return PlacementProblem(snapshot, doc.settings.objective, doc.about)


def _offer(each: form.OfferDoc, kind: InstanceType, taken_at: datetime) -> Offer:
    told = each.model_dump(exclude={"type", "cap", "observed_at"})
    return Offer(instance_type=kind, availability=Availability(), observed_at=each.observed_at or taken_at, **told)


def _cap(each: form.CapDoc) -> LaunchCap:
    return LaunchCap(each.nodes, each.confidence, each.reason)


def _quota(each: form.QuotaDoc, taken_at: datetime) -> Quota:
    return Quota(**each.model_dump(exclude={"capacity_types"}), capacity_types=tuple(each.capacity_types), observed_at=taken_at)


def _cluster(each: form.ClusterDoc) -> Cluster:
    return Cluster(**each.model_dump(exclude={"zones"}), zones=tuple(each.zones))


def _node(each: form.NodeDoc, kind: InstanceType, taken_at: datetime) -> Node:
    """The document says nothing of launch tokens: the id stands for it."""
    told = each.model_dump(exclude={"instance_type"})
    return Node(instance_type=kind, launch_token=each.id, requested_at=taken_at, **told)


def _replica(each: form.ReplicaDoc, taken_at: datetime) -> Replica:
    return Replica(**each.model_dump(exclude={"nodes"}), nodes=tuple(each.nodes), generation=1, requested_at=taken_at)


def _deployment(each: form.DeploymentDoc) -> Deployment:
    told = each.model_dump(exclude={"demand", "slo", "rules", "disruption", "price_book"})
    return Deployment(
        **told,
        demand=tuple(_demand(demand) for demand in each.demand),
        slo=Slo(**each.slo.model_dump()),
        rules=_rules(each.rules),
        disruption=DisruptionBudget(**each.disruption.model_dump()),
        price_book=PriceBook(**each.price_book.model_dump()) if each.price_book else None,
    )


def _demand(each: form.DemandDoc) -> Demand:
    return Demand(**each.model_dump(exclude={"jurisdictions"}), jurisdictions=tuple(each.jurisdictions))


def _rules(each: form.RulesDoc) -> PlacementRules:
    lists = {name: tuple(value) for name, value in each if isinstance(value, list)}
    return PlacementRules(
        **lists,
        spot_ceiling=each.spot_ceiling,
        spot_loss_share=each.spot_loss_share,
        stockout_share=each.stockout_share,
        survivability=Survivability(**each.survivability.model_dump()) if each.survivability else None,
        spread=Spread(**each.spread.model_dump()) if each.spread else None,
    )


def _endpoint(each: form.EndpointDoc) -> ExternalEndpoint:
    price = PriceBook(**each.price.model_dump())
    return ExternalEndpoint(each.id, each.model, each.url, each.jurisdiction, price, each.tokens_per_s_max, each.slice_tokens_per_s)
