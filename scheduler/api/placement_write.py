"""Writes a placement problem as a document. What the domain has a default for is left out, so that a large problem stays small."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeVar

from scheduler.api import placement_form as form
from scheduler.api.placement_document import PlacementProblem
from scheduler.domain.errors import ConflictError
from scheduler.domain.fleet import Node
from scheduler.domain.offer import InstanceType, Offer
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import ExternalEndpoint

P = TypeVar("P", bound=form.Part)


def document_of(problem: PlacementProblem) -> dict[str, Any]:
    """The document, as values that JSON has; parts without entries are left out."""
    snapshot = problem.snapshot
    robust = _told(form.RobustDoc, snapshot.robust)
    settings = form.SettingsDoc(objective=problem.objective, amortisation_h=snapshot.amortisation_h, robust=robust)
    doc = form.ProblemDoc(
        format="headrace-problem",
        version=1,
        taken_at=snapshot.taken_at,
        about=dict(problem.about),
        settings=settings,
        instance_types=[_told(form.InstanceTypeDoc, kind) for kind in _types(snapshot)],
        offers=[_offer(snapshot, offer) for offer in snapshot.offers],
        quotas=[_told(form.QuotaDoc, quota) for quota in snapshot.quotas],
        reservations=[_told(form.ReservationDoc, each) for each in snapshot.reservations],
        clusters=[_told(form.ClusterDoc, cluster) for cluster in snapshot.clusters],
        nodes=[_node(node) for node in snapshot.nodes],
        replicas=[_told(form.ReplicaDoc, replica) for replica in snapshot.replicas],
        models=[_told(form.ModelDoc, model) for model in snapshot.models],
        shapes=[_told(form.ShapeDoc, shape) for shape in snapshot.shapes],
        deployments=[_told(form.DeploymentDoc, deployment) for deployment in snapshot.deployments],
        endpoints=[_endpoint(endpoint) for endpoint in snapshot.endpoints],
        egress_micro_usd_per_gb=[
            form.EgressDoc(source=a, to=b, micro_usd_per_gb=price) for (a, b), price in snapshot.egress_micro_usd_per_gb.items()
        ],
        latency_ms=[form.LatencyDoc(origin=origin, place=place, ms=ms) for (origin, place), ms in snapshot.latency_ms.items()],
    )
    head = {"format": doc.format, "version": doc.version}
    return head | doc.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def text_of(problem: PlacementProblem) -> str:
    """The document as JSON, one line per entry of its lists: readable, and comparable line by line."""
    parts = []
    for name, value in document_of(problem).items():
        if isinstance(value, list):
            entries = ",\n".join("  " + json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in value)
            parts.append(f'"{name}": [\n{entries}\n ]')
        else:
            parts.append(f'"{name}": {json.dumps(value, ensure_ascii=False)}')
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def _told(shape: type[P], value: object) -> P:
    """The fields of a domain value that the form has."""
    return shape.model_validate(value, from_attributes=True)


def _types(snapshot: Snapshot) -> list[InstanceType]:
    """Types by name; some clouds vary a type's memory by region, which no plan looks at.

    Raises:
        ConflictError: two types of one name differ in what a plan does look at.
    """
    found: dict[str, InstanceType] = {}
    kinds = [offer.instance_type for offer in snapshot.offers] + [node.instance_type for node in snapshot.nodes]
    for kind in kinds:
        first = found.setdefault(_type_name(kind), kind)
        if replace(kind, memory_gib=first.memory_gib) != first:
            raise ConflictError(f"instance type {_type_name(kind)} is two things in two regions; a problem document cannot say so")
    return list(found.values())


def _type_name(kind: InstanceType) -> str:
    return f"{kind.provider}/{kind.name}"


def _offer(snapshot: Snapshot, offer: Offer) -> form.OfferDoc:
    cap = snapshot.caps.get(offer.id)
    return form.OfferDoc(
        type=_type_name(offer.instance_type),
        region=offer.region,
        zone=offer.zone,
        capacity_type=offer.capacity_type,
        price_micro_usd_per_h=offer.price_micro_usd_per_h,
        jurisdiction=offer.jurisdiction,
        account=offer.account,
        interruptions_per_h=offer.interruptions_per_h,
        notice_s=offer.notice_s,
        launch_s=offer.launch_s,
        cap=_told(form.CapDoc, cap) if cap else None,
        source=offer.source,
        source_kind=offer.source_kind,
        observed_at=None if offer.observed_at == snapshot.taken_at else offer.observed_at,
    )


def _node(node: Node) -> form.NodeDoc:
    return form.NodeDoc(
        id=node.id,
        cluster=node.cluster,
        offer_id=node.offer_id,
        instance_type=_type_name(node.instance_type),
        zone=node.zone,
        capacity_type=node.capacity_type,
        price_micro_usd_per_h=node.price_micro_usd_per_h,
        state=node.state,
    )


def _endpoint(endpoint: ExternalEndpoint) -> form.EndpointDoc:
    price = _told(form.PriceDoc, endpoint.price)
    told = {"id": endpoint.id, "model": endpoint.model, "url": endpoint.url, "jurisdiction": endpoint.jurisdiction}
    return form.EndpointDoc(**told, price=price, tokens_per_s_max=endpoint.max_tokens_per_s, slice_tokens_per_s=endpoint.slice_tokens_per_s)
