"""Which offers a deployment's own rules allow, one function per rule, each no with its remedy.

These are the rules that concern one (deployment, offer, cluster, shape) alone; whatever couples several placements is in
``constraints``.
"""

from __future__ import annotations

from collections.abc import Callable

from scheduler.domain.fleet import Cluster
from scheduler.domain.jurisdiction import within
from scheduler.domain.offer import Offer
from scheduler.domain.plan import Reason, Verdict
from scheduler.domain.workload import Deployment, EngineShape

Rule = Callable[[Deployment, Offer, Cluster, EngineShape], tuple[str, str] | None]
"""Returns (why not, what would change it), or None where the rule is satisfied."""


def _accelerator(_: Deployment, offer: Offer, __: Cluster, shape: EngineShape) -> tuple[str, str] | None:
    have = offer.instance_type.accelerator
    if shape.accelerator == have:
        return None
    return f"no engine shape for {have} meets the SLO", f"declare a shape for {have}, or relax slo.tpot_ms"


def _fits_node(_: Deployment, offer: Offer, __: Cluster, shape: EngineShape) -> tuple[str, str] | None:
    have, need = offer.instance_type.accelerator_count, shape.accelerators_per_node
    if need <= have and (shape.nodes == 1 or need == have):
        return None
    return f"the replica needs {need} accelerators on each node, this type has {have}", f"a shape with at most {have} accelerators"


def _providers(deployment: Deployment, offer: Offer, _: Cluster, __: EngineShape) -> tuple[str, str] | None:
    return _member("rules.providers", offer.provider, deployment.rules.providers)


def _regions(deployment: Deployment, offer: Offer, _: Cluster, __: EngineShape) -> tuple[str, str] | None:
    return _member("rules.regions", offer.region, deployment.rules.regions)


def _jurisdictions(deployment: Deployment, _: Offer, cluster: Cluster, __: EngineShape) -> tuple[str, str] | None:
    if within(cluster.jurisdiction, deployment.rules.jurisdictions):
        return None
    return _member("rules.jurisdictions", cluster.jurisdiction or "unknown", deployment.rules.jurisdictions)


def _clusters(deployment: Deployment, _: Offer, cluster: Cluster, __: EngineShape) -> tuple[str, str] | None:
    return _member("rules.clusters", cluster.id, deployment.rules.clusters)


def _accelerators(deployment: Deployment, offer: Offer, _: Cluster, __: EngineShape) -> tuple[str, str] | None:
    return _member("rules.accelerators", offer.instance_type.accelerator, deployment.rules.accelerators)


def _capacity_types(deployment: Deployment, offer: Offer, _: Cluster, __: EngineShape) -> tuple[str, str] | None:
    return _member("rules.capacity_types", offer.capacity_type.value, deployment.rules.capacity_types)


def _member(rule: str, have: str, allowed: tuple[str, ...]) -> tuple[str, str] | None:
    if not allowed or have in allowed:
        return None
    return f"{rule} allows {', '.join(allowed)}; this is {have}", f"add {have} to {rule}"


def _spot_ceiling(deployment: Deployment, offer: Offer, _: Cluster, __: EngineShape) -> tuple[str, str] | None:
    if deployment.rules.spot_ceiling > 0 or not offer.capacity_type.revocable:
        return None
    return "rules.spot_ceiling is 0 and this is spot", "a spot_ceiling above 0"


RULES: tuple[tuple[str, Rule], ...] = (
    ("providers", _providers),
    ("regions", _regions),
    ("jurisdictions", _jurisdictions),
    ("clusters", _clusters),
    ("accelerators", _accelerators),
    ("capacity_types", _capacity_types),
    ("spot_ceiling", _spot_ceiling),
    ("slo", _accelerator),
    ("node_size", _fits_node),
)


def rejection(
    deployment: Deployment, offer: Offer, cluster: Cluster, shape: EngineShape, relaxed: frozenset[tuple[str, str]] = frozenset()
) -> Reason | None:
    """The first rule that forbids this option, or None where all allow it."""
    for name, rule in RULES:
        if (deployment.id, name) in relaxed:
            continue
        no = rule(deployment, offer, cluster, shape)
        if no is not None:
            return rejected(deployment, offer, cluster, name, *no)
    return None


def rejected(deployment: Deployment, offer: Offer, cluster: Cluster, rule: str, text: str, would_change: str) -> Reason:
    """A no with its remedy."""
    return Reason(deployment.id, offer.id, cluster.id, Verdict.REJECTED, rule, text, would_change)
