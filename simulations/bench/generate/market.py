"""Clusters, and the offers beside them. Without caps and quotas: those follow the planted plan."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler.domain.fleet import Cluster
from scheduler.domain.lifecycle import ClusterState
from scheduler.domain.offer import Availability, CapacityType, Offer, SourceKind
from simulations.bench.generate.clouds import Region, Ware
from simulations.bench.generate.places import ORIGINS, coordinates, round_trip_ms

OWN_ACCOUNT = 0.5
"""Share of the further clusters in a region that have an account, and so offers and quotas, of their own."""

HYPERSCALERS = ("aws", "azure", "gcp")
NOTICE_S = {"aws": 120, "gcp": 30, "azure": 30}


@dataclass(frozen=True, slots=True)
class Market:
    """Where nodes may stand and what they cost.

    Attributes:
        latency_ms: by (origin, place).
    """

    clusters: tuple[Cluster, ...]
    offers: tuple[Offer, ...]
    latency_ms: dict[tuple[str, str], int]


def market(goods: dict[Region, list[Ware]], clusters: int, now: datetime, draw: random.Random) -> Market:
    """``clusters`` clusters: at least one in every cloud, then region by region, then further ones in the same regions."""
    placed = _placed(goods, clusters, draw)
    offers: dict[str, Offer] = {}
    for cluster in placed:
        for ware in goods[cluster.provider, cluster.region]:
            offer = _offer(ware, cluster.account, now, draw)
            offers.setdefault(offer.id, offer)
    latency = {
        (origin.name, f"{provider}:{region}"): round_trip_ms(origin.at, coordinates(region, goods[provider, region][0].price.jurisdiction))
        for origin in ORIGINS
        for provider, region in sorted({(cluster.provider, cluster.region) for cluster in placed})
    }
    return Market(tuple(placed), tuple(offers.values()), latency)


def _placed(goods: dict[Region, list[Ware]], clusters: int, draw: random.Random) -> list[Cluster]:
    order: list[Region] = []
    by_cloud = {cloud: draw.sample(regions, len(regions)) for cloud, regions in _regions(goods).items()}
    while any(by_cloud.values()):
        # One region of every cloud in turn, so that a small problem has all its clouds.
        order += [regions.pop() for regions in by_cloud.values() if regions]
    placed: list[Cluster] = []
    accounts: dict[Region, list[str]] = {}
    for index in range(clusters):
        provider, region = order[index % len(order)]
        known = accounts.setdefault((provider, region), [])
        if not known:
            known.append("default")
        elif draw.random() < OWN_ACCOUNT:
            known.append(f"team-{len(known) + 1}")
        number = index // len(order) + 1
        name = f"{provider}-{region.lower()}-{number}"
        jurisdiction = goods[provider, region][0].price.jurisdiction
        placed.append(Cluster(name, provider, region, jurisdiction, account=draw.choice(known), state=ClusterState.READY))
    return sorted(placed, key=lambda cluster: cluster.id)


def _regions(goods: dict[Region, list[Ware]]) -> dict[str, list[Region]]:
    found: dict[str, list[Region]] = {}
    for region, listed in goods.items():
        if listed:
            found.setdefault(region[0], []).append(region)
    return found


def _offer(ware: Ware, account: str, now: datetime, draw: random.Random) -> Offer:
    """Hazard and launch time are drawn: no list price tells them."""
    row, large = ware.price, ware.price.instance_type.provider in HYPERSCALERS
    spot = row.capacity_type is CapacityType.SPOT
    card = row.instance_type.accelerator.split("-")[0]
    return Offer(
        instance_type=replace(row.instance_type, quota_family=card),
        region=row.region,
        zone=row.zone,
        capacity_type=row.capacity_type,
        price_micro_usd_per_h=row.micro_usd_per_h,
        availability=Availability(),
        observed_at=now - timedelta(minutes=draw.randint(1, 30)),
        source_kind=SourceKind.SIMULATED if ware.synthetic else SourceKind.SNAPSHOT,
        source="synthetic price" if ware.synthetic else f"{row.source}, {row.as_of}",
        account=account,
        jurisdiction=row.jurisdiction,
        interruptions_per_h=round(draw.uniform(0.005, 0.12), 4) if spot else None,
        notice_s=NOTICE_S.get(row.instance_type.provider, 0) if spot else 0,
        launch_s=draw.choice((150, 180, 240)) if large else draw.choice((240, 360, 480, 600)),
    )
