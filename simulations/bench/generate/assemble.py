"""Puts a problem together: the market, the deployments, a plan planted in it, and the limits around that plan."""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.fleet import pool_id
from scheduler.domain.offer import CapacityType
from scheduler.domain.plan import CostTerm, Placement, PoolTarget, Target
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import Deployment
from simulations.bench.generate.clouds import ORDER, wares
from simulations.bench.generate.ground import Ground
from simulations.bench.generate.limits import caps, quotas, reservations, stock, tightened
from simulations.bench.generate.market import Market, market
from simulations.bench.generate.models import Served, served, with_gangs
from simulations.bench.generate.plant import Planted, Planter
from simulations.bench.generate.profile import Request
from simulations.bench.generate.running import running
from simulations.bench.generate.sources import Sources, read_sources
from simulations.bench.generate.workload import Crowd, Slot, draft, losses

NOW = datetime(2026, 7, 20, 14, tzinfo=UTC)
"""The day of the newest list prices, at an hour when America and Europe are both awake."""

MODELS_PER_DEPLOYMENT = 0.35
DRAFTS = 12
BUDGETED, BUDGET = 0.04, 1.2
"""Share of the deployments with a budget, and the budget over what the planted plan spends on it."""

NODES_PER_REPLICA = 0.5
OFFERS_PER_REGION = 10
OFFERS_PER_REGION_LARGE = 6
LARGE = 200
EGRESS_HUBS = ("aws:us-east-1", "gcp:us-central1", "azure:westeurope")
"""Where weights are kept."""


@dataclass(frozen=True, slots=True)
class Generated:
    """A problem, how it was made, and the plan that it surely has.

    Attributes:
        cheapest: what cheapest-first makes of an empty fleet, one deployment after the other by priority; unplaced: those it leaves out.
    """

    snapshot: Snapshot
    about: dict[str, Any]
    planted: Target
    cheapest: Target
    unplaced: int


def generate(request: Request) -> Generated:
    """The problem of a request; the same request gives the same problem.

    Raises:
        InvalidInputError: there are more clouds than clusters, or the folder of research data is not readable.
    """
    if request.clusters < request.clouds:
        raise InvalidInputError("--clusters", request.clusters, f"is less than {request.clouds} clouds", "Give every cloud at least one.")
    draw = random.Random(f"{request.profile.name} {request.seed}")  # noqa: S311
    sources = read_sources(request.data)
    per_region = OFFERS_PER_REGION if request.clusters <= LARGE else OFFERS_PER_REGION_LARGE
    goods = wares(sources, request.clouds, per_region, draw)
    sold = market(goods, request.clusters, NOW, draw)
    models = served(max(3, round(MODELS_PER_DEPLOYMENT * request.deployments)), _usual(sold), NOW.date(), draw)
    models = with_gangs(models, request.gangs, random.Random(f"gangs {request.seed}"))  # noqa: S311
    ground = Ground(sold)
    noise = np.random.Generator(np.random.PCG64(draw.getrandbits(64)))
    crowd = Crowd(tuple(models), sources, request.profile, NOW.hour, tuple(ground.providers))
    ground.clear(np.full(len(sold.offers), _most_of_one_offer(request, len(sold.offers))))
    drafted = _drafted(request, crowd, Planter(ground, noise), draw)
    limit = stock(ground, request.profile, draw)
    ground.clear(limit)
    planted = _planted(drafted, Planter(ground, noise))
    limit = tightened(ground, limit, request.profile.tight, draw)
    drafted = _settled(drafted, ground, planted, draw)
    snapshot = _snapshot(sources, ground, drafted)
    nodes, replicas = ((), ()) if request.fresh else running(ground, planted, NOW, draw)
    snapshot = replace(snapshot, nodes=nodes, replicas=replicas, caps=caps(ground, limit, nodes))
    snapshot = replace(snapshot, quotas=quotas(ground, limit, NOW, draw), reservations=reservations(ground, NOW, draw))
    target = _target(ground, planted)
    ground.clear(limit)
    cheapest, unplaced = _cheapest_first(drafted, Planter(ground, None))
    return Generated(snapshot, _about(request, sources), target, _target(ground, cheapest), unplaced)


def _usual(sold: Market) -> dict[str, tuple[float, int]]:
    """By card: the median on-demand price per GPU and hour, of spot where nobody sells it otherwise, and the largest node."""
    prices: dict[str, list[float]] = defaultdict(list)
    most: dict[str, int] = defaultdict(int)
    for offer in sorted(sold.offers, key=lambda offer: offer.capacity_type is CapacityType.SPOT):
        card = offer.instance_type.accelerator
        most[card] = max(most[card], offer.instance_type.accelerator_count)
        if offer.capacity_type is not CapacityType.SPOT or card not in prices:
            prices[card].append(offer.price_micro_usd_per_gpu_h)
    return {card: (statistics.median(known), most[card]) for card, known in prices.items()}


def _drafted(request: Request, crowd: Crowd, planter: Planter, draw: random.Random) -> list[tuple[Deployment, Served]]:
    """Deployments that can be placed where no offer is nearly endless; what they take together is the need."""
    found = []
    width = len(str(request.deployments))
    for number, loss in enumerate(losses(request.profile, request.deployments, draw), start=1):
        slot = Slot(f"d-{number:0{width}d}", loss)
        for attempt in range(DRAFTS):
            deployment, kind = draft(crowd, slot, attempt, draw)
            if planter.place(deployment, kind, endless=attempt == DRAFTS - 1) is not None:
                found.append((deployment, kind))
                break
    return found


def _most_of_one_offer(request: Request, offers: int) -> int:
    """Nodes: a dozen times what an offer would have if all had alike."""
    nodes = request.deployments * max(2.0, request.profile.replicas) * NODES_PER_REPLICA
    return max(4, round(12 * nodes / max(1, offers)))


def _planted(drafted: list[tuple[Deployment, Served]], planter: Planter) -> list[Planted]:
    """Every deployment where there is stock, the most demanding ones first; for the few that find none the stock grows."""
    found: list[Planted] = []
    for deployment, kind in sorted(drafted, key=lambda each: (each[0].rules.survivability is None, -len(each[0].demand))):
        placed = planter.place(deployment, kind)
        found += placed if placed is not None else planter.place(deployment, kind, endless=True) or []
    return found


def _cheapest_first(drafted: list[tuple[Deployment, Served]], planter: Planter) -> tuple[list[Planted], int]:
    found: list[Planted] = []
    unplaced = 0
    for deployment, kind in sorted(drafted, key=lambda each: (-each[0].priority, each[0].id)):
        placed = planter.place(deployment, kind)
        found += placed or []
        unplaced += placed is None
    return found, unplaced


def _settled(
    drafted: list[tuple[Deployment, Served]], ground: Ground, planted: list[Planted], draw: random.Random
) -> list[tuple[Deployment, Served]]:
    """Limits of single deployments that the planted plan keeps: most replicas, and budgets on a few."""
    count: dict[str, int] = defaultdict(int)
    spent: dict[str, float] = defaultdict(float)
    for each in planted:
        offer = ground.market.offers[ground.pools[each.pool][1]]
        gpus = each.replicas * each.shape.accelerators_per_node * each.shape.nodes
        count[each.deployment] += each.replicas
        spent[each.deployment] += offer.price_micro_usd_per_h * gpus / offer.instance_type.accelerator_count
    found = []
    for deployment, kind in drafted:
        most = max(deployment.max_replicas, count[deployment.id] + 2)
        budget = round(BUDGET * spent[deployment.id]) if draw.random() < BUDGETED else None
        found.append((replace(deployment, max_replicas=most, budget_micro_usd_per_h=budget), kind))
    return found


def _target(ground: Ground, planted: list[Planted]) -> Target:
    """The planted plan as an answer that the checker can judge; GPUs per node and replica are powers of two, so they pack without waste."""
    sold = ground.market
    used: dict[int, int] = defaultdict(int)
    placements = []
    for each in planted:
        cluster, offer = ground.pools[each.pool]
        used[each.pool] += each.replicas * each.shape.accelerators_per_node * each.shape.nodes
        identity = sold.offers[offer].id
        placements.append(Placement(each.deployment, each.shape.id, pool_id(cluster.id, identity), cluster.id, identity, each.replicas))
    pools = []
    for index, gpus in sorted(used.items()):
        cluster, offer = ground.pools[index]
        identity, price = sold.offers[offer].id, sold.offers[offer].price_micro_usd_per_h
        pools.append(PoolTarget(pool_id(cluster.id, identity), cluster.id, identity, -(-gpus // int(ground.gpus[index])), 0, price))
    cost = sum(pool.nodes * pool.price_micro_usd_per_h for pool in pools)
    term = CostTerm("nodes", cost, "the planted plan's nodes")
    return Target(tuple(placements), tuple(pools), (), (), (term,), cost, 0, 1.0, "feasible", 0)


def _snapshot(sources: Sources, ground: Ground, drafted: list[tuple[Deployment, Served]]) -> Snapshot:
    sold = ground.market
    kinds = {kind.model.id: kind for _, kind in drafted}
    places = {f"{cluster.provider}:{cluster.region}" for cluster in sold.clusters}
    prices = sources.egress_usd_per_gb
    egress = {(hub, place): round(prices[hub, place] * 1e6) for hub in EGRESS_HUBS for place in sorted(places) if (hub, place) in prices}
    return Snapshot(
        version=1,
        taken_at=NOW,
        offers=sold.offers,
        clusters=sold.clusters,
        deployments=tuple(deployment for deployment, _ in drafted),
        models=tuple(kind.model for kind in kinds.values()),
        shapes=tuple(shape for kind in kinds.values() for shape in kind.shapes),
        egress_micro_usd_per_gb=egress,
        latency_ms=sold.latency_ms,
    )


def _about(request: Request, sources: Sources) -> dict[str, Any]:
    """How it was made, for whoever reads the document."""
    return {
        "made_by": "headrace bench generate",
        "clouds": request.clouds,
        "clusters": request.clusters,
        "deployments": request.deployments,
        "seed": request.seed,
        "profile": request.profile.name,
        "fresh": request.fresh,
        "real": [
            *sources.told,
            "throughput: the performance table, the calibrated roofline where nobody measured; every shape says which",
        ],
        "synthetic": [
            f"clouds beyond {', '.join(ORDER)}: priced by draws from the real neoclouds' prices",
            "what runs already: most of a plan that was planted; none where the problem is fresh",
            "caps, quotas, reservations, interruption rates, notice and launch times",
            "latency: from the great-circle distance between regions, 1.6 times the light's time in fibre",
            "deployments: sizes follow real clients' rates with their spread compressed and scaled to the profile; rules are drawn",
            "models: fine-tuned variants of the published ones",
        ],
    }
