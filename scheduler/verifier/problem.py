"""The problem document, read strictly."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.verifier.endpoints import endpoint, with_endpoints
from scheduler.verifier.reading import BadDocumentError, Fields, parse, read_all
from scheduler.verifier.workload import deployment, model, shape, withstanding
from scheduler.verifier.world import Cluster, InstanceType, Node, Offer, Quota, Replica, Reservation, World

CAPACITY_TYPES = ("on-demand", "spot", "reserved", "capacity-block")
NODE_STATES = ("requested", "launching", "joining", "ready", "interrupted", "terminating", "terminated", "lost", "failed")
REPLICA_STATES = ("requested", "starting", "warming", "ready", "suspect", "draining", "stopping", "stopped", "failed", "lost")


def read_problem(text: str) -> World:
    """The world of a problem document.

    Raises:
        BadDocumentError: the document is not of the agreed form, or a name in it leads nowhere.
    """
    fields = parse(text, "problem", "headrace-problem")
    fields.ignore("about")
    settings = fields.part("settings")
    objective = settings.choice("objective", ("cost", "margin"), "cost")
    amortisation_h = settings.number("amortisation_h", 24.0, least=1e-6)
    robust = settings.part("robust")
    stockout_share, growth = robust.number("stockout_share", 0.0), robust.number("demand_growth", 0.0)
    robust.done()
    settings.done()
    taken_at = fields.time("taken_at")
    if taken_at is None:
        raise BadDocumentError("problem: taken_at is missing")
    kinds = {f"{kind.provider}/{kind.name}": kind for kind in read_all(fields, "instance_types", _instance_type)}
    weights_gib = dict(read_all(fields, "models", model))
    world = World(
        objective=objective,
        amortisation_h=amortisation_h,
        taken_at=taken_at,
        offers=tuple(read_all(fields, "offers", lambda row: _offer(row, kinds))),
        quotas=tuple(read_all(fields, "quotas", _quota)),
        reservations=tuple(read_all(fields, "reservations", _reservation)),
        clusters=tuple(read_all(fields, "clusters", _cluster)),
        nodes=tuple(read_all(fields, "nodes", lambda row: _node(row, kinds))),
        replicas=tuple(read_all(fields, "replicas", _replica)),
        weights_gib=weights_gib,
        shapes=tuple(read_all(fields, "shapes", shape)),
        deployments=tuple(withstanding(each, stockout_share, growth) for each in read_all(fields, "deployments", deployment)),
        egress=dict(read_all(fields, "egress_micro_usd_per_gb", lambda r: ((r.text("from"), r.text("to")), r.integer("micro_usd_per_gb")))),
        latency=dict(read_all(fields, "latency_ms", lambda r: ((r.text("origin"), r.text("place")), r.integer("ms")))),
    )
    endpoints = read_all(fields, "endpoints", endpoint)
    fields.done()
    whole = with_endpoints(world, endpoints)
    _consistent(whole)
    return whole


def _consistent(world: World) -> None:
    for name, ids in (
        ("clusters", [each.id for each in world.clusters]),
        ("deployments", [each.id for each in world.deployments]),
        ("nodes", [each.id for each in world.nodes]),
        ("offers", [each.id for each in world.offers]),
        ("quotas", [each.id for each in world.quotas]),
        ("reservations", [each.id for each in world.reservations]),
        ("shapes", [each.id for each in world.shapes]),
    ):
        _unique(name, ids)
    clusters = {each.id for each in world.clusters}
    for each in world.deployments:
        if each.model not in world.weights_gib:
            raise BadDocumentError(f"problem.deployments: {each.id} names the model {each.model}, which is not listed")
    for node in world.nodes:
        if node.cluster not in clusters:
            raise BadDocumentError(f"problem.nodes: {node.id} names the cluster {node.cluster}, which is not listed")
    for replica in world.replicas:
        if not replica.nodes:
            raise BadDocumentError(f"problem.replicas: a replica of {replica.deployment} has no node")


def _unique(name: str, ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise BadDocumentError(f"problem.{name}: {each} is listed twice")
        seen.add(each)


def _kind(row: Fields, name: str, kinds: dict[str, InstanceType]) -> InstanceType:
    wanted = row.text(name)
    if wanted not in kinds:
        raise BadDocumentError(f"{row.where}.{name}: {wanted} is not among instance_types")
    return kinds[wanted]


def _instance_type(row: Fields) -> InstanceType:
    row.number("memory_gib", 0.0)
    return InstanceType(
        provider=row.text("provider"),
        name=row.text("name"),
        accelerator=row.text("accelerator"),
        accelerators=row.integer("accelerator_count"),
        vcpus=row.integer("vcpus", 0),
        family=row.text("quota_family", ""),
    )


def _offer(row: Fields, kinds: dict[str, InstanceType]) -> Offer:
    row.ignore("source", "source_kind", "observed_at", "jurisdiction", "notice_s")
    cap = None
    if row.has("cap"):
        part = row.part("cap")
        part.ignore("confidence", "reason")
        cap = part.integer("nodes")
        part.done()
    return Offer(
        kind=_kind(row, "type", kinds),
        account=row.text("account", "default"),
        region=row.text("region"),
        zone=row.text("zone"),
        capacity_type=row.choice("capacity_type", CAPACITY_TYPES),
        price=row.integer("price_micro_usd_per_h"),
        interruptions_per_h=row.number("interruptions_per_h", 0.0),
        launch_s=row.integer("launch_s", 180),
        cap=cap,
    )


def _quota(row: Fields) -> Quota:
    kinds = row.texts("capacity_types")
    return Quota(
        provider=row.text("provider"),
        account=row.text("account", "default"),
        region=row.text("region", ""),
        family=row.text("family", ""),
        unit=row.choice("unit", ("vcpu", "gpu", "instance")),
        limit=row.integer("limit", least=None),
        capacity_types=kinds,
        used=row.integer("used", 0),
    )


def _reservation(row: Fields) -> Reservation:
    row.ignore("sunk_micro_usd_per_h")
    return Reservation(
        id=row.text("id"),
        provider=row.text("provider"),
        account=row.text("account", "default"),
        region=row.text("region"),
        zone=row.text("zone", ""),
        type_name=row.text("instance_type").removeprefix(f"{row.text('provider')}/"),
        count=row.integer("count"),
        starts_at=row.time("starts_at"),
        ends_at=row.time("ends_at"),
    )


def _cluster(row: Fields) -> Cluster:
    return Cluster(
        id=row.text("id"),
        provider=row.text("provider"),
        region=row.text("region"),
        jurisdiction=row.text("jurisdiction", ""),
        account=row.text("account", "default"),
        zones=row.texts("zones"),
        schedulability=row.choice("schedulability", ("open", "cordoned", "draining"), "open"),
        state=row.choice("state", ("joining", "ready", "suspect", "lost"), "ready"),
    )


def _node(row: Fields, kinds: dict[str, InstanceType]) -> Node:
    return Node(
        id=row.text("id"),
        cluster=row.text("cluster"),
        offer_id=row.text("offer_id"),
        kind=_kind(row, "instance_type", kinds),
        zone=row.text("zone", ""),
        capacity_type=row.choice("capacity_type", CAPACITY_TYPES),
        price=row.integer("price_micro_usd_per_h"),
        state=row.choice("state", NODE_STATES, "ready"),
    )


def _replica(row: Fields) -> Replica:
    row.ignore("id", "cluster")
    return Replica(row.text("deployment"), row.text("shape"), row.texts("nodes"), row.choice("state", REPLICA_STATES, "ready"))
