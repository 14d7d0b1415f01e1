"""Builds the snapshot that a decision is made from: reads the stores once, then decides what is fresh enough to count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from scheduler.domain.evidence import Exposure, LaunchRecord
from scheduler.domain.fleet import Cluster, Node
from scheduler.domain.lifecycle import NodeState
from scheduler.domain.offer import Availability, Offer, SourceKind
from scheduler.domain.ports import Limits
from scheduler.domain.snapshot import LaunchCap, ProviderStatus, Snapshot
from scheduler.domain.stores import EvidenceStore, Fleet, FleetStore, OfferFilter, OfferStore, Workload, WorkloadStore
from scheduler.inventory.evidence import MEMORY, hazard, launch_cap
from scheduler.inventory.version import version_of

DEFAULT_TARGET_S = 3600
"""Freshness target of rows whose feed has told none."""
STALE_AFTER_TARGETS = 3
EXPOSURE_WINDOW = timedelta(days=14)
"""How far back our own nodes count for the interruption rate of their offer."""
_ALL = 1_000_000

_PROMISED = frozenset({NodeState.REQUESTED, NodeState.LAUNCHING})
_AGING = frozenset({SourceKind.LIVE, SourceKind.SIMULATED})


@dataclass(frozen=True, slots=True)
class Sources:
    """The stores a snapshot is read from."""

    offers: OfferStore
    evidence: EvidenceStore
    workload: WorkloadStore
    fleet: FleetStore


@dataclass(frozen=True, slots=True)
class World:
    """Everything read for one snapshot, before any rule is applied.

    Attributes:
        offers: of the regions in which a cluster is declared.
        records: what our launches taught, by scope. exposures: how our own nodes fared, by offer id.
        egress_micro_usd_per_gb: see ``Snapshot``.
    """

    offers: Sequence[Offer]
    statuses: Sequence[ProviderStatus]
    limits: Limits
    records: Mapping[str, LaunchRecord]
    workload: Workload
    fleet: Fleet
    egress_micro_usd_per_gb: Mapping[tuple[str, str], int] = field(default_factory=dict)
    exposures: Mapping[str, Exposure] = field(default_factory=dict)


async def assemble(
    sources: Sources,
    now: datetime,
    egress_micro_usd_per_gb: Mapping[tuple[str, str], int] | None = None,
    joining: Sequence[Cluster] = (),
) -> Snapshot:
    """Read the stores and build the snapshot of ``now``. Its version is a hash of its content: equal worlds, equal versions.

    Args:
        joining: clusters that are not declared yet, seen as if they were; for previews.
    """
    stored = await sources.fleet.fleet()
    known = {cluster.id for cluster in stored.clusters}
    fleet = replace(stored, clusters=stored.clusters + tuple(cluster for cluster in joining if cluster.id not in known))
    offers, statuses, limits, records, exposures, workload = await asyncio.gather(
        _offers_near(sources.offers, fleet.clusters),
        sources.offers.statuses(),
        sources.evidence.limits(),
        sources.evidence.records(now - MEMORY),
        sources.evidence.exposures(now - EXPOSURE_WINDOW, now),
        sources.workload.workload(),
    )
    return snapshot_of(World(offers, statuses, limits, records, workload, fleet, egress_micro_usd_per_gb or {}, exposures), now)


def snapshot_of(world: World, now: datetime) -> Snapshot:
    """Apply the rules of freshness and capacity.

    - Live and simulated offers older than three times their feed's target are left out; snapshot and declared rows never expire, but
      carry their kind.
    - The provider's word on stock and what our own launches taught become one cap; see ``inventory.evidence``.
    - Nodes that are asked for but not launched yet come off the cap: no provider knows of them.
    - The interruption rate of a revocable offer is the published one, corrected by what happened to our own nodes.
    - An offer that a running node came from but that is no longer sold stays, with a cap of 0: the node is still there to be used.
    - Reservations that have ended are left out.
    """
    fleet, workload = world.fleet, world.workload
    targets = {(status.provider, status.account): status.target_s for status in world.statuses}
    fresh = [_with_hazard(offer, world.exposures.get(offer.id)) for offer in _fresh(world.offers, targets, now)]
    promised = Counter(node.offer_id for node in fleet.nodes if node.state in _PROMISED)
    read = ((offer.id, launch_cap(offer, world.records, now, _target_s(offer, targets))) for offer in fresh)
    caps = {offer_id: _less(cap, promised[offer_id]) for offer_id, cap in read if cap is not None}
    held = _offers_of_nodes(fleet, known={offer.id for offer in fresh})
    caps |= {offer.id: LaunchCap(0, 1.0, "no longer offered: only the nodes that run") for offer in held}
    snapshot = Snapshot(
        version=0,
        taken_at=now,
        offers=tuple(sorted((*fresh, *held), key=lambda offer: offer.id)),
        caps=caps,
        quotas=world.limits.quotas,
        reservations=tuple(held for held in world.limits.reservations if held.ends_at is None or now < held.ends_at),
        clusters=fleet.clusters,
        nodes=fleet.nodes,
        replicas=fleet.replicas,
        deployments=workload.deployments,
        models=workload.models,
        shapes=workload.shapes,
        aliases=workload.aliases,
        endpoints=workload.endpoints,
        providers=tuple(world.statuses),
        egress_micro_usd_per_gb=world.egress_micro_usd_per_gb,
    )
    return replace(snapshot, version=version_of(snapshot))


async def _offers_near(store: OfferStore, clusters: Iterable[Cluster]) -> Sequence[Offer]:
    """Offers that could join a declared cluster: those of its provider, account and region."""
    accounts: dict[tuple[str, str], set[str]] = {}
    for cluster in clusters:
        accounts.setdefault((cluster.provider, cluster.region), set()).add(cluster.account)
    found: list[Offer] = []
    for (provider, region), wanted in sorted(accounts.items()):
        offers, _ = await store.list_offers(OfferFilter(provider=provider, region=region, limit=_ALL))
        found += [offer for offer in offers if offer.account in wanted]
    return found


def _less(cap: LaunchCap, promised: int) -> LaunchCap:
    if not promised:
        return cap
    return replace(cap, nodes=max(0, cap.nodes - promised), reason=f"{cap.reason}; {promised} of them are being launched")


Targets = Mapping[tuple[str, str], int]
"""Freshness targets in seconds, by feed and account."""


def _target_s(offer: Offer, targets: Targets) -> int:
    """Of the feed that told the offer: an aggregator's offers name the cloud as provider and the aggregator as feed."""
    return targets.get((offer.feed or offer.provider, offer.account), DEFAULT_TARGET_S)


def _fresh(offers: Iterable[Offer], targets: Targets, now: datetime) -> Sequence[Offer]:
    def counts(offer: Offer) -> bool:
        age_max = timedelta(seconds=STALE_AFTER_TARGETS * _target_s(offer, targets))
        return offer.source_kind not in _AGING or now - offer.observed_at <= age_max

    return [offer for offer in offers if counts(offer)]


def _with_hazard(offer: Offer, exposure: Exposure | None) -> Offer:
    rate = hazard(offer, exposure)
    return offer if rate == offer.interruptions_per_h else replace(offer, interruptions_per_h=rate)


def _offers_of_nodes(fleet: Fleet, known: set[str]) -> Sequence[Offer]:
    clusters = {cluster.id: cluster for cluster in fleet.clusters}
    missing = {node.offer_id: node for node in fleet.nodes if node.offer_id not in known and node.cluster in clusters}
    built = (_offer_of_node(node, clusters[node.cluster]) for node in missing.values())
    return [offer for offer in built if offer.id in missing]


def _offer_of_node(node: Node, cluster: Cluster) -> Offer:
    return Offer(
        instance_type=node.instance_type,
        region=cluster.region,
        zone=node.zone,
        capacity_type=node.capacity_type,
        price_micro_usd_per_h=node.price_micro_usd_per_h,
        availability=Availability.of_count(0),
        observed_at=node.requested_at,
        source_kind=SourceKind.DECLARED,
        source="running node",
        account=cluster.account,
        jurisdiction=cluster.jurisdiction,
    )
