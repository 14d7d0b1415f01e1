"""From what runs to what the edge needs: one backend for each deployment, one route for each public name. Pure.

Residency was settled when the replicas were placed, for each origin by itself. What each origin allows goes along, so that
a front door, which stands at one origin, leads no request where only another origin's requests may go (``seen_from``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from scheduler.domain.fleet import Cluster, Replica
from scheduler.domain.jurisdiction import within
from scheduler.domain.lifecycle import ReplicaState
from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeEndpoint, EdgeLocality, EdgeRelay, EdgeRoute
from scheduler.domain.workload import Deployment, EngineKind, ModelAlias

_TAKES_REQUESTS = frozenset({ReplicaState.READY, ReplicaState.SUSPECT})
"""A suspect replica is one whose agent is silent: it serves on, and Envoy's own health checks judge it."""
DEFAULT_CONCURRENCY = 64


def build_edge_config(
    replicas: Iterable[Replica],
    clusters: Iterable[Cluster],
    deployments: Iterable[Deployment],
    aliases: Iterable[ModelAlias] = (),
    concurrency: Mapping[str, int] | None = None,
    relay: EdgeRelay | None = None,
) -> EdgeConfig:
    """Everything the front door needs, in an order that depends on ids only, so that the same world gives the same value.

    Args:
        concurrency: requests each endpoint of a deployment takes at once, by deployment id.
        relay: the relay beside the edge, None where none runs.
    """
    known = {cluster.id: cluster for cluster in clusters}
    limits = concurrency or {}
    by_deployment: dict[str, list[Replica]] = defaultdict(list)
    for replica in replicas:
        by_deployment[replica.deployment].append(replica)
    ordered = sorted(deployments, key=lambda deployment: deployment.id)
    backends = tuple(
        EdgeBackend(
            deployment=deployment.id,
            model_name=deployment.id,
            localities=_localities(by_deployment[deployment.id], known),
            residency=_residency(deployment),
            origins=tuple(sorted({demand.origin for demand in deployment.demand})),
            max_requests_per_endpoint=limits.get(deployment.id, DEFAULT_CONCURRENCY),
            stream=deployment.stream,
            engine=deployment.engine.value,
            health_path=deployment.command.health_path if deployment.command else "/health",
            **_patience(deployment.engine),
        )
        for deployment in ordered
    )
    return EdgeConfig(routes=_routes(ordered, backends, aliases), backends=backends, relay=relay)


def _patience(engine: EngineKind) -> dict[str, int]:
    """llama.cpp on a CPU shares its cores with its own decoding: a health check may wait behind it and prove nothing."""
    return {"health_timeout_s": 10, "unhealthy_after": 3} if engine is EngineKind.LLAMACPP else {}


def _residency(deployment: Deployment) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted({(demand.origin, demand.jurisdictions) for demand in deployment.demand if demand.jurisdictions}))


def seen_from(backend: EdgeBackend, origin: str, region: str) -> EdgeBackend:
    """The backend as one front door may use it: forbidden clusters left out, and its own region before the others.

    A door that names no origin, or one without a demand of its own, may be asked by anyone: it keeps to what every origin allows.

    Args:
        origin: as in the deployments' demand. region: as the clusters name theirs, also ``provider:region``; "" for none.
    """
    named = [allowed for name, allowed in backend.residency if name == origin]
    rules = named or ([] if origin in backend.origins else [allowed for _, allowed in backend.residency])
    open_to = [place for place in backend.localities if all(within(place.jurisdiction, allowed) for allowed in rules)]
    if not region:
        return replace(backend, localities=tuple(open_to))
    home = [region in (place.region, f"{place.provider}:{place.region}") for place in open_to]
    laws = {place.jurisdiction for place, here in zip(open_to, home, strict=True) if here}
    ranks = [0 if here else 1 if place.jurisdiction in laws else 2 for place, here in zip(open_to, home, strict=True)]
    # Envoy wants the priorities without gaps.
    order = {rank: number for number, rank in enumerate(sorted(set(ranks)))}
    return replace(backend, localities=tuple(replace(p, priority=order[rank]) for p, rank in zip(open_to, ranks, strict=True)))


def _localities(replicas: Sequence[Replica], clusters: Mapping[str, Cluster]) -> tuple[EdgeLocality, ...]:
    """One locality for each cluster that holds an endpoint; its weight is the sum of its endpoints' weights."""
    endpoints: dict[str, list[EdgeEndpoint]] = defaultdict(list)
    for replica in replicas:
        endpoint = _endpoint(replica)
        if endpoint is not None and replica.cluster in clusters:
            endpoints[replica.cluster].append(endpoint)
    return tuple(_locality(clusters[name], tuple(sorted(endpoints[name], key=lambda one: one.replica))) for name in sorted(endpoints))


def _endpoint(replica: Replica) -> EdgeEndpoint | None:
    if not replica.endpoint:
        return None
    if replica.state is ReplicaState.DRAINING:
        return EdgeEndpoint(replica.id, replica.endpoint, weight=0, draining=True)
    if replica.state in _TAKES_REQUESTS:
        return EdgeEndpoint(replica.id, replica.endpoint, weight=replica.weight)
    return None


def _locality(cluster: Cluster, endpoints: tuple[EdgeEndpoint, ...]) -> EdgeLocality:
    return EdgeLocality(
        cluster=cluster.id,
        provider=cluster.provider,
        region=cluster.region,
        zone=cluster.zones[0] if len(cluster.zones) == 1 else "",
        weight=sum(endpoint.weight for endpoint in endpoints),
        priority=0,
        endpoints=endpoints,
        jurisdiction=cluster.jurisdiction,
    )


def _routes(deployments: Sequence[Deployment], backends: Sequence[EdgeBackend], aliases: Iterable[ModelAlias]) -> tuple[EdgeRoute, ...]:
    """Names in the order of their claim: a deployment's id, then an alias, then a model's id where it is unambiguous."""
    ids = {deployment.id for deployment in deployments}
    serving = {backend.deployment for backend in backends if any(place.weight for place in backend.localities)}
    shares: dict[str, tuple[tuple[str, int], ...]] = {name: ((name, 100),) for name in ids}
    for alias in aliases:
        weights = {target.deployment: target.weight for target in alias.targets if target.deployment in ids and target.weight > 0}
        # A target that serves nothing now hands its share to the others; without any, the first keeps the name known.
        present = {name: weight for name, weight in weights.items() if name in serving} or dict(list(weights.items())[:1])
        if present and alias.name not in shares:
            shares[alias.name] = percentages(present)
    users = Counter(deployment.model for deployment in deployments)
    for deployment in deployments:
        if users[deployment.model] == 1 and deployment.model not in shares:
            shares[deployment.model] = ((deployment.id, 100),)
    return tuple(EdgeRoute(name, shares[name]) for name in sorted(shares))


def percentages(weights: Mapping[str, float]) -> tuple[tuple[str, int], ...]:
    """Whole percents that add up to 100, by largest remainder; a positive weight may still round to nothing.

    Raises:
        ValueError: no positive weight.
    """
    total = sum(weights.values())
    if total <= 0:
        raise ValueError("no positive weight")
    exact = {name: 100 * weight / total for name, weight in weights.items()}
    whole = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (whole[name] - exact[name], name))
    for name in by_remainder[: 100 - sum(whole.values())]:
        whole[name] += 1
    return tuple((name, share) for name, share in whole.items() if share)
