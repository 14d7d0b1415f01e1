"""Small worlds for tests: every builder has sane defaults, so that a test states only what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from scheduler.domain.fleet import Cluster, Node, Replica, pool_id
from scheduler.domain.lifecycle import ClusterState, NodeState, ReplicaState
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind
from scheduler.domain.plan import GateVerdict, Move, MoveKind, Placement, Plan, PoolTarget, Target
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.units import micro_usd
from scheduler.domain.workload import ANY_BUCKET, Demand, Deployment, EngineKind, EngineShape, Evidence, Model, PlacementRules

NOW = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)


def instance_type(
    provider: str = "aws", name: str = "g6.xlarge", accelerator: str = "L4-24GB-PCIe", count: int = 1, **more: Any
) -> InstanceType:
    return InstanceType(provider, name, accelerator, count, more.pop("vcpus", 4 * count), more.pop("memory_gib", 16.0 * count), **more)


def offer(
    provider: str = "aws",
    region: str = "us-east-1",
    zone: str = "",
    usd: float = 1.0,
    spot: bool = False,
    accelerator: str = "L4-24GB-PCIe",
    count: int = 1,
    **more: Any,
) -> Offer:
    family = more.pop("quota_family", "")
    name = more.pop("name", f"{accelerator.split('-')[0].lower()}x{count}")
    return Offer(
        instance_type=instance_type(provider, name, accelerator, count, quota_family=family),
        region=region,
        zone=zone or f"{region}a",
        capacity_type=CapacityType.SPOT if spot else CapacityType.ON_DEMAND,
        price_micro_usd_per_h=micro_usd(usd),
        availability=Availability(),
        observed_at=NOW,
        source_kind=SourceKind.SIMULATED,
        source="test",
        **more,
    )


def cluster(provider: str = "aws", region: str = "us-east-1", **more: Any) -> Cluster:
    return Cluster(
        id=more.pop("id", f"{provider}-{region}"),
        provider=provider,
        region=region,
        jurisdiction=more.pop("jurisdiction", "US"),
        state=more.pop("state", ClusterState.READY),
        **more,
    )


def model(id: str = "m", **more: Any) -> Model:  # noqa: A002
    return Model(id=id, source=f"hub:{id}", parameters_b=more.pop("parameters_b", 8.0), **more)


def shape(model: str = "m", accelerator: str = "L4-24GB-PCIe", count: int = 1, rate: float = 100.0, **more: Any) -> EngineShape:
    return EngineShape(
        id=more.pop("id", f"{model}/{accelerator}x{count}"),
        model=model,
        engine=EngineKind.VLLM,
        accelerator=accelerator,
        accelerators_per_node=count,
        tokens_per_s={ANY_BUCKET: rate},
        evidence=Evidence.DECLARED,
        source="test",
        as_of=date(2026, 6, 30),
        **more,
    )


def deployment(id: str = "d", tokens_per_s: float = 80.0, **more: Any) -> Deployment:  # noqa: A002
    rules = more.pop("rules", None) or PlacementRules(**more.pop("rule", {}))
    demand = more.pop("demand", (Demand("anywhere", tokens_per_s),))
    return Deployment(id=id, model=more.pop("model", "m"), demand=demand, headroom=more.pop("headroom", 0.0), rules=rules, **more)


def node(id: str, of: Offer, in_cluster: str, **more: Any) -> Node:  # noqa: A002
    return Node(
        id=id,
        cluster=in_cluster,
        offer_id=of.id,
        instance_type=of.instance_type,
        zone=of.zone,
        capacity_type=of.capacity_type,
        price_micro_usd_per_h=of.price_micro_usd_per_h,
        state=more.pop("state", NodeState.READY),
        launch_token=f"token-{id}",
        requested_at=NOW,
        **more,
    )


def replica(id: str, on: Node, **more: Any) -> Replica:  # noqa: A002
    return Replica(
        id=id,
        deployment=more.pop("deployment", "d"),
        shape=more.pop("shape", "m/L4-24GB-PCIex1"),
        cluster=on.cluster,
        nodes=(on.id,),
        state=more.pop("state", ReplicaState.READY),
        generation=more.pop("generation", 1),
        requested_at=NOW,
        endpoint=more.pop("endpoint", f"127.0.0.1:{9000 + sum(map(ord, id)) % 1000}"),
        weight=more.pop("weight", 100),
        **more,
    )


def world(**parts: Any) -> Snapshot:
    """A snapshot of one AWS cluster and one model, unless said otherwise."""
    base = Snapshot(version=1, taken_at=NOW, clusters=(cluster(),), models=(model(),), shapes=(shape(),))
    return replace(base, **{name: tuple(value) if isinstance(value, list) else value for name, value in parts.items()})


def placement(of: Offer, in_cluster: str, replicas: int, deployment: str = "d", shape: str = "m/L4-24GB-PCIex1") -> Placement:
    return Placement(deployment, shape, pool_id(in_cluster, of.id), in_cluster, of.id, replicas)


def target(*placements: Placement, nodes: dict[str, int] | None = None, existing: dict[str, int] | None = None, usd: float = 1.0) -> Target:
    """A target with these placements; pools hold one node for each replica unless ``nodes`` (by pool) says otherwise."""
    counts: dict[str, int] = {}
    for each in placements:
        counts[each.pool] = counts.get(each.pool, 0) + each.replicas
    counts |= nodes or {}
    pools = {each.pool: each for each in placements}
    return Target(
        placements=placements,
        pools=tuple(
            PoolTarget(name, each.cluster, each.offer_id, counts[name], (existing or {}).get(name, 0), micro_usd(usd))
            for name, each in pools.items()
        ),
        routes=(),
        unmet=(),
        terms=(),
        objective_micro_usd_per_h=0,
        bound_micro_usd_per_h=0,
        gap=0.0,
        status="optimal",
        solve_ms=0,
    )


def move(id: str, old: str = "", new: str = "", wave: int = 1, **more: Any) -> Move:  # noqa: A002
    kind = MoveKind.MIGRATE if old and new else MoveKind.START if new else MoveKind.STOP
    return Move(id, more.pop("plan", "p1"), wave, kind, more.pop("deployment", "d"), old, new, more.pop("reason", "test"), **more)


def plan(id: str = "p1", **more: Any) -> Plan:  # noqa: A002
    """A plan of the given parts; lists are taken as tuples."""
    parts: dict[str, Any] = {"new_nodes": (), "new_replicas": (), "moves": (), "releases": (), "epoch": 1}
    parts |= {name: tuple(value) if isinstance(value, list) else value for name, value in more.items()}
    return Plan(
        id=id,
        created_at=parts.pop("created_at", NOW),
        snapshot_version=1,
        trigger="test",
        target=parts.pop("target", target()),
        cost_before_micro_usd_per_h=0,
        cost_after_micro_usd_per_h=0,
        gate=GateVerdict(True, True, 0.0, 0.5, "test"),
        **parts,
    )
