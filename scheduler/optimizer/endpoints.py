"""External endpoints as elastic capacity: each becomes a pool of its own, so that nothing after this knows of them.

A *slice* of an endpoint's throughput stands for a node that holds one replica. It costs what its output tokens cost for an
hour, and it serves fewer of those the more input tokens come with each, so that an hour of it always costs the same. What is held
there as headroom, or for a loss, is charged as if it were used: the cost is never less than the bill.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from scheduler.domain.fleet import Cluster
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.workload import ANY_BUCKET, EngineShape, Evidence, ExternalEndpoint, PriceBook

PLACE = "external"
"""Region and zone of every endpoint."""

SLICES_MAX = 10_000
"""Most slices of an endpoint that states no throughput."""

NOT_ROUTED = "planned only: the edge does not send traffic to external endpoints yet"


def with_endpoints(snapshot: Snapshot) -> Snapshot:
    """The snapshot with a cluster, an offer, its stock and shapes for every endpoint, which is then not listed as one any more."""
    if not snapshot.endpoints:
        return snapshot
    offers = {endpoint.id: _offer(snapshot, endpoint) for endpoint in snapshot.endpoints}
    stock = {offers[e.id].id: LaunchCap(_slices(e), 1.0, f"throughput of endpoint {e.id}") for e in snapshot.endpoints}
    return replace(
        snapshot,
        offers=(*snapshot.offers, *offers.values()),
        caps={**snapshot.caps, **stock},
        clusters=(*snapshot.clusters, *(Cluster(_name(e), _name(e), PLACE, e.jurisdiction) for e in snapshot.endpoints)),
        shapes=(*snapshot.shapes, *(shape for endpoint in snapshot.endpoints for shape in _shapes(snapshot, endpoint))),
        endpoints=(),
    )


def _name(endpoint: ExternalEndpoint) -> str:
    """Of its cluster, provider and accelerator: rules that name any of these allow it by this name."""
    return f"endpoint:{endpoint.id}"


def _slice(endpoint: ExternalEndpoint) -> float:
    """Output tokens per second of one slice."""
    return min(endpoint.slice_tokens_per_s, endpoint.max_tokens_per_s or endpoint.slice_tokens_per_s)


def _slices(endpoint: ExternalEndpoint) -> int:
    if endpoint.max_tokens_per_s is None:
        return SLICES_MAX
    return int(endpoint.max_tokens_per_s / _slice(endpoint) + 1e-9)


def _base(price: PriceBook) -> int:
    """Micro-USD per million tokens that a slice is priced by: output, unless only input is paid."""
    return price.output_micro_usd_per_mtok or price.input_micro_usd_per_mtok


def _offer(snapshot: Snapshot, endpoint: ExternalEndpoint) -> Offer:
    name = _name(endpoint)
    return Offer(
        instance_type=InstanceType(name, "slice", name, 1, 0, 0.0),
        region=PLACE,
        zone=PLACE,
        capacity_type=CapacityType.ENDPOINT,
        price_micro_usd_per_h=round(_slice(endpoint) * 3600 * _base(endpoint.price) / 1e6),
        availability=Availability(),
        observed_at=snapshot.taken_at,
        source_kind=SourceKind.DECLARED,
        source=f"price per token of endpoint {endpoint.id}",
        jurisdiction=endpoint.jurisdiction,
        launch_s=0,
    )


def _shapes(snapshot: Snapshot, endpoint: ExternalEndpoint) -> Iterator[EngineShape]:
    """One for each engine that a deployment of the model asks for: what runs behind the endpoint is not ours to choose."""
    served = [deployment for deployment in snapshot.deployments if deployment.model == endpoint.model]
    buckets = {demand.bucket for deployment in served for demand in deployment.demand}
    for engine in sorted({deployment.engine for deployment in served}):
        yield EngineShape(
            id=f"{_name(endpoint)}/{engine.value}",
            model=endpoint.model,
            engine=engine,
            accelerator=_name(endpoint),
            accelerators_per_node=1,
            tokens_per_s=_rates(endpoint, buckets),
            evidence=Evidence.DECLARED,
            source=f"endpoint {endpoint.id}",
            as_of=snapshot.taken_at.date(),
            start_s=0,
        )


def _rates(endpoint: ExternalEndpoint, buckets: Iterable[str]) -> dict[str, float]:
    """Output tokens per second that the price of a slice pays for; one input token to each where the bucket does not tell."""
    price, base, whole = endpoint.price, _base(endpoint.price), _slice(endpoint)
    rates = {}
    for bucket in sorted({ANY_BUCKET, *buckets}):
        sizes = re.fullmatch(r"([1-9]\d{0,6})x([1-9]\d{0,6})", bucket)
        ratio = int(sizes[1]) / int(sizes[2]) if sizes else 1.0
        cost = price.output_micro_usd_per_mtok + price.input_micro_usd_per_mtok * ratio
        rates[bucket] = whole * min(1.0, base / cost) if cost > 0 else whole
    return rates
