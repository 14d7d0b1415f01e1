"""Running the service: health, readiness, metrics, margin, job runs and API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Gauge, generate_latest

from scheduler.api.auth import Operator, Viewer, new_client_key, new_key
from scheduler.api.fleet import is_paid
from scheduler.api.services import Use
from scheduler.demand import DemandView, observe
from scheduler.domain.errors import HeadraceError
from scheduler.domain.stores import ApiKey, Run
from scheduler.domain.units import usd
from scheduler.ledger import margins

router = APIRouter(tags=["operations"])

COST = Gauge("headrace_fleet_usd_per_hour", "Price of all paid nodes in USD per hour")
REPLICAS = Gauge("headrace_replicas", "Replicas that have not ended", ["deployment", "state"])
NODES = Gauge("headrace_nodes", "Nodes that have not ended", ["cluster", "state"])
LEADS = Gauge("headrace_leader", "1 where this process leads")


@router.get("/healthz")
async def health() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def ready(use: Use, response: Response) -> dict[str, str]:
    """The process answers and its database does."""
    try:
        await use.stores.fleet.fleet()
    except HeadraceError as error:
        response.status_code = 503
        return {"status": "not ready", "reason": str(error)}
    return {"status": "ready"}


@router.get("/metrics", include_in_schema=False)
async def metrics(_: Viewer, use: Use) -> Response:
    """Prometheus text."""
    fleet = await use.stores.fleet.fleet()
    COST.set(usd(sum(node.price_micro_usd_per_h for node in fleet.nodes if is_paid(node))))
    LEADS.set(1 if use.epoch() else 0)
    REPLICAS.clear()
    for replica in fleet.replicas:
        REPLICAS.labels(replica.deployment, replica.state.value).inc()
    NODES.clear()
    for node in fleet.nodes:
        NODES.labels(node.cluster, node.state.value).inc()
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True, slots=True)
class MarginOut:
    """Money of one deployment over the period, in USD beside the exact integers."""

    deployment: str
    requests: int
    input_tokens: int
    output_tokens: int
    revenue_usd: float
    cost_usd: float
    cost_usd_by_phase: dict[str, float]
    margin: float | None
    revenue_micro_usd: int
    cost_micro_usd: int


@router.get("/v1/margin")
async def margin(_: Viewer, use: Use, hours: Annotated[float, Query(gt=0, le=24 * 400)] = 24) -> list[MarginOut]:
    """Cost, revenue and margin per deployment, from metered tokens and node time."""
    now = use.clock()
    since = now - timedelta(hours=hours)
    prices = {d.id: d.price_book for d in (await use.stores.workload.workload()).deployments}
    rows = margins(await use.stores.usage.tokens(since, now), await use.stores.usage.nodes(since, now), prices)
    return [
        MarginOut(
            row.deployment,
            row.requests,
            row.input_tokens,
            row.output_tokens,
            usd(row.revenue_micro_usd),
            usd(row.cost_micro_usd),
            {phase: usd(cost) for phase, cost in row.cost_by_phase},
            row.margin,
            row.revenue_micro_usd,
            row.cost_micro_usd,
        )
        for row in rows
    ]


@router.get("/v1/demand")
async def demand(_: Viewer, use: Use, minutes: Annotated[int, Query(ge=1, le=24 * 60)] = 15) -> list[DemandView]:
    """Declared demand beside what the edge metered over the last full minutes."""
    now, window = use.clock(), timedelta(minutes=minutes)
    rows = await use.stores.usage.tokens(now - window - timedelta(minutes=1), now)
    return observe((await use.stores.workload.workload()).deployments, rows, now, window)


@router.get("/v1/runs")
async def runs(_: Viewer, use: Use, job: str = "rebalance", limit: Annotated[int, Query(ge=1, le=400)] = 30) -> list[Run]:
    """Runs of a job, newest first."""
    return list(await use.stores.leases.runs(job, limit))


@dataclass(frozen=True, slots=True)
class KeyOut:
    """A key without its secret."""

    id: str
    role: str
    subject: str
    created_at: datetime
    revoked_at: datetime | None

    @staticmethod
    def of(key: ApiKey) -> KeyOut:
        return KeyOut(key.id, key.role, key.subject, key.created_at, key.revoked_at)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh key; ``secret`` is shown this once and stored nowhere."""

    secret: str
    key: KeyOut


@router.get("/v1/keys")
async def keys(_: Operator, use: Use) -> list[KeyOut]:
    """API keys, without secrets."""
    return [KeyOut.of(key) for key in await use.stores.keys.keys()]


@router.post("/v1/keys", status_code=201)
async def create_key(
    _: Operator,
    use: Use,
    role: Annotated[Literal["viewer", "operator", "agent", "client"], Body()],
    subject: Annotated[str, Body(max_length=100)] = "",
) -> NewKey:
    """Create a key. ``subject`` is the cluster of an agent or the tenant of a client."""
    if role == "client" and use.sign_client is not None:
        secret, key = new_client_key(subject or "default", use.clock(), use.sign_client)
    else:
        secret, key = new_key(role, subject, use.clock())
    await use.stores.keys.put_key(key)
    return NewKey(secret, KeyOut.of(key))


@router.delete("/v1/keys/{key}", status_code=204)
async def revoke_key(key: str, _: Operator, use: Use) -> None:
    """Revoke a key at once."""
    await use.stores.keys.revoke(key, use.clock())
