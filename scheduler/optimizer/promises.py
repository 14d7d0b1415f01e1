"""The checker's rules of single deployments: what each was promised, whatever else runs in the fleet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from scheduler.domain.jurisdiction import within
from scheduler.domain.offer import CapacityType, Offer
from scheduler.domain.plan import Violation
from scheduler.domain.workload import Deployment, FailureDomain
from scheduler.optimizer.judged import TOLERANCE, Judged
from scheduler.optimizer.transport import routable


def _counts(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    total = sum(p.replicas for p in judged.placed(deployment.id))
    if total > deployment.max_replicas:
        yield Violation("max_replicas", deployment.id, f"{total} replicas, at most {deployment.max_replicas}")
    if total < deployment.min_replicas and deployment.id not in judged.missed:
        yield Violation("min_replicas", deployment.id, f"{total} replicas, at least {deployment.min_replicas}")


def _served(judged: Judged, deployment: Deployment, lost: set[str], factor: float, *, running: bool = False) -> tuple[float, float]:
    """(routable, wanted) tokens/s when some pools are lost, but what is ``running`` there, and demand is scaled by ``factor``."""
    left = []
    for each in judged.placed(deployment.id):
        stays = min(each.replicas, judged.running.get((each.deployment, each.pool, each.shape), 0)) if running else 0
        left.append(replace(each, replicas=stays) if each.pool in lost else each)
    wanted = [factor * demand.tokens_per_s for demand in deployment.demand]
    capacity: list[float] = []
    edges: dict[tuple[int, int], float] = {}
    for column, placement in enumerate(left):
        shape, cluster = judged.shapes[placement.shape], judged.clusters[placement.cluster]
        place = f"{cluster.provider}:{cluster.region}"
        capacity.append(float(placement.replicas))
        for row, demand in enumerate(deployment.demand):
            rate = shape.rate(demand.bucket)
            near = judged.snapshot.near(demand.origin, place, demand.latency_ms_max)
            if rate > 0 and near and within(cluster.jurisdiction, demand.jurisdictions):
                edges[row, column] = rate
    return routable(wanted, capacity, edges), sum(wanted)


def _demand(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    served, wanted = _served(judged, deployment, set(), 1 + deployment.headroom)
    if served < wanted * (1 - TOLERANCE) and deployment.id not in judged.missed:
        yield Violation("demand", deployment.id, f"{served:.1f} of {wanted:.1f} tokens/s (with headroom) can be served")


def _domain(offer: Offer, kind: FailureDomain) -> str:
    parts = {FailureDomain.PROVIDER: 1, FailureDomain.REGION: 2, FailureDomain.ZONE: 3}
    return ":".join((offer.provider, offer.region, offer.zone)[: parts[kind]])


def _survival(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    rule = deployment.rules.survivability
    if rule is None or deployment.id in judged.missed:
        return
    pools = {p.pool: judged.offers[p.offer_id] for p in judged.placed(deployment.id) if p.offer_id in judged.offers}
    for name in sorted({_domain(offer, rule.domain) for offer in pools.values()}):
        lost = {pool for pool, offer in pools.items() if _domain(offer, rule.domain) == name}
        served, wanted = _served(judged, deployment, lost, rule.share)
        if served < wanted * (1 - TOLERANCE):
            yield Violation("survivability", deployment.id, f"after losing {name} only {served:.1f} of {wanted:.1f} tokens/s are served")


def _spot(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    placed = [(p, judged.offers.get(p.offer_id)) for p in judged.placed(deployment.id)]
    total = sum(p.replicas for p, _ in placed)
    spot = [(p, offer) for p, offer in placed if offer is not None and offer.capacity_type.revocable]
    if sum(p.replicas for p, _ in spot) > deployment.rules.spot_ceiling * total + TOLERANCE:
        yield Violation("spot_ceiling", deployment.id, f"{sum(p.replicas for p, _ in spot)} of {total} replicas on spot")
    if deployment.rules.spot_loss_share <= 0 or deployment.id in judged.missed:
        return
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for placement, offer in spot:
        groups[offer.provider, offer.region, offer.instance_type.accelerator].add(placement.pool)
    for name, pools in sorted(groups.items()):
        served, wanted = _served(judged, deployment, pools, deployment.rules.spot_loss_share)
        if served < wanted * (1 - TOLERANCE):
            yield Violation(
                "spot_loss_share", deployment.id, f"after losing spot {':'.join(name)} {served:.1f} of {wanted:.1f} tokens/s are served"
            )


def _stockout(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    share = deployment.rules.stockout_share
    if share <= 0 or deployment.id in judged.missed:
        return
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for placement in judged.placed(deployment.id):
        offer = judged.offers.get(placement.offer_id)
        if offer is not None and offer.capacity_type in (CapacityType.ON_DEMAND, CapacityType.SPOT):
            groups[offer.provider, offer.region, offer.instance_type.accelerator].add(placement.pool)
    for name, pools in sorted(groups.items()):
        served, wanted = _served(judged, deployment, pools, share, running=True)
        if served < wanted * (1 - TOLERANCE):
            text = f"without what is to be started on {':'.join(name)} {served:.1f} of {wanted:.1f} tokens/s are served"
            yield Violation("stockout_share", deployment.id, text)


def _placement_rules(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    rules = deployment.rules
    for placement in judged.placed(deployment.id):
        offer, cluster, shape = judged.offers.get(placement.offer_id), judged.clusters[placement.cluster], judged.shapes[placement.shape]
        if offer is None:
            continue
        checks = (
            ("providers", rules.providers, offer.provider),
            ("regions", rules.regions, offer.region),
            ("clusters", rules.clusters, cluster.id),
            ("accelerators", rules.accelerators, offer.instance_type.accelerator),
            ("capacity_types", rules.capacity_types, offer.capacity_type.value),
            ("shape", (shape.accelerator,), offer.instance_type.accelerator),
            ("model", (deployment.model,), shape.model),
            ("place", (cluster.region,), offer.region),
        )
        for rule, allowed, have in checks:
            if allowed and have not in allowed:
                yield Violation(rule, deployment.id, f"{have} is not among {', '.join(allowed)}")
        if not within(cluster.jurisdiction, rules.jurisdictions):
            yield Violation("jurisdictions", deployment.id, f"{cluster.id} is in {cluster.jurisdiction or 'an unknown place'}")


def _spread(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    rule = deployment.rules.spread
    placed = judged.placed(deployment.id)
    if rule is None or not placed:
        return
    counts: dict[str, int] = defaultdict(int)
    for placement in placed:
        offer = judged.offers.get(placement.offer_id)
        counts[_domain(offer, rule.domain) if offer else placement.cluster] += placement.replicas
    total = sum(counts.values())
    for name, count in counts.items():
        if count > rule.max_share * total + TOLERANCE:
            yield Violation("spread", deployment.id, f"{count} of {total} replicas in {name}, at most {rule.max_share:.0%}")


def _pins(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    for cluster in deployment.rules.pins:
        if not any(p.cluster == cluster for p in judged.placed(deployment.id)) and deployment.id not in judged.missed:
            yield Violation("pins", deployment.id, f"no replica in {cluster}")


def _budget(judged: Judged, deployment: Deployment) -> Iterator[Violation]:
    if deployment.budget_micro_usd_per_h is None:
        return
    spent = 0.0
    for placement in judged.placed(deployment.id):
        shape, size = judged.shapes[placement.shape], judged.accelerators(placement.offer_id)
        # A pool that the target does not list has no nodes; packing says so.
        pool = judged.pools.get(placement.pool)
        price = pool.price_micro_usd_per_h if pool is not None else 0
        spent += placement.replicas * price * shape.nodes * shape.accelerators_per_node / size
    if spent > deployment.budget_micro_usd_per_h * (1 + TOLERANCE):
        yield Violation("budget", deployment.id, f"{spent:.0f} of {deployment.budget_micro_usd_per_h} micro-USD/h")


PROMISES: tuple[Callable[[Judged, Deployment], Iterator[Violation]], ...] = (
    _counts,
    _demand,
    _placement_rules,
    _survival,
    _spot,
    _stockout,
    _spread,
    _pins,
    _budget,
)
