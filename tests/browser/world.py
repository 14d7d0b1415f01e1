"""A small fleet on three clouds, written through the store's own methods as the loop and the collectors would write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from scheduler.domain.events import Event, EventKind
from scheduler.domain.evidence import LaunchRecord
from scheduler.domain.fleet import Node, Replica, pool_id
from scheduler.domain.lifecycle import MoveState, NodeState, PlanState, ReplicaState
from scheduler.domain.offer import Availability, Offer, SourceKind, StockBucket
from scheduler.domain.plan import CostTerm, GateVerdict, Move, MoveKind, NewReplica, Placement, Plan, Target
from scheduler.domain.ports import OfferPage, Quarantined
from scheduler.domain.snapshot import Freshness, ProviderStatus
from scheduler.domain.stores import ChangeSet, Workload
from scheduler.domain.units import micro_usd, usd_text
from scheduler.domain.usage import NodeUsage, TokenUsage
from scheduler.domain.workload import Demand, FailureDomain, PlacementRules, PriceBook, Survivability
from scheduler.store import Store
from tests.builders import NOW, cluster, deployment, model, node, offer, replica, shape

VIRGINIA = cluster(id="aws-virginia", lease_until=NOW + timedelta(days=1))
IOWA = cluster("gcp", "us-central1", id="gcp-iowa", lease_until=NOW + timedelta(days=1))
DUBLIN = cluster("azure", "northeurope", id="azure-dublin", jurisdiction="IE", lease_until=NOW + timedelta(days=1))
CLUSTERS = (VIRGINIA, IOWA, DUBLIN)
SNAPSHOT_DAY = NOW - timedelta(days=21)
HOUR = timedelta(hours=1)
L4, A10G, H100 = "L4-24GB-PCIe", "A10G-24GB-PCIe", "H100-80GB-SXM"

AWS_L4 = offer(usd=0.8048, name="g6.xlarge")
AWS_SPOT = offer(usd=0.3219, spot=True, name="g6.xlarge", notice_s=120, interruptions_per_h=0.03)
AWS_A10G = offer(usd=1.006, accelerator=A10G, name="g5.xlarge")
AWS_H100 = offer(usd=98.32, accelerator=H100, count=8, name="p5.48xlarge")
GCP_L4 = offer("gcp", "us-central1", "us-central1-a", 0.7069, name="g2-standard-4")
GCP_SPOT = offer("gcp", "us-central1", "us-central1-a", 0.2827, spot=True, name="g2-standard-4", notice_s=30, interruptions_per_h=0.05)
AZURE_A10G = offer("azure", "northeurope", "northeurope", 3.2, accelerator="A10-24GB-PCIe", name="NV36ads_A10_v5")


@dataclass(frozen=True, slots=True)
class World:
    """What was written, and the leader's epoch to write more with."""

    store: Store
    epoch: int
    moves: dict[str, Move] = field(default_factory=dict)

    async def advance(self, name: str, state: MoveState, at: datetime, **more: object) -> Move:
        """Commit the next state of a move with its event, as the loop does."""
        moved = replace(self.moves[name], state=state, **more)  # type: ignore[arg-type]
        self.moves[name] = moved
        event = Event(EventKind.MOVE_CHANGED, at, moved.id, f"{moved.kind.value} {moved.id} is {state.value}")
        await self.store.fleet.commit(ChangeSet(moves=(moved,), events=(event,)), self.epoch)
        return moved


async def build(store: Store) -> World:
    """Fill an empty store."""
    await store.fleet.put_clusters(CLUSTERS)
    epoch = await store.leases.acquire_leadership("test", NOW, 3600)
    assert epoch is not None
    await store.fleet.commit(ChangeSet(clusters=CLUSTERS), epoch)
    await _market(store)
    await store.workload.put(_workload())
    nodes = _nodes()
    replicas = _replicas(nodes)
    plans = _plans(epoch)
    moves = {move.id.rpartition("-")[2]: move for plan in plans for move in plan.moves if plan.state is PlanState.APPLYING}
    past = tuple(move for plan in plans for move in plan.moves if plan.state is PlanState.APPLIED)
    changes = ChangeSet(nodes=nodes, replicas=replicas, plans=plans, moves=(*past, *moves.values()), events=_events())
    await store.fleet.commit(changes, epoch)
    await _usage(store, nodes)
    return World(store, epoch, moves)


async def _market(store: Store) -> None:
    """Two simulated clouds whose prices and stock changed over a day, and one dated price list."""
    for hours, factor, left in ((23, 1.0, 9), (15, 1.08, 6), (9, 1.31, 2), (4, 1.12, 5), (0, 1.0, 7)):
        seen = NOW - hours * HOUR
        spot = replace(AWS_SPOT, price_micro_usd_per_h=round(AWS_SPOT.price_micro_usd_per_h * factor))
        spot = replace(spot, availability=Availability.of_count(left))
        low = replace(AWS_H100, availability=Availability.of_bucket(StockBucket.NONE if left < 3 else StockBucket.LOW))
        offers = [spot, low, replace(AWS_L4, availability=Availability.of_count(12)), AWS_A10G]
        await _poll(store, "aws", "us-east-1", offers, seen)
    more = [
        offer("gcp", "us-central1", f"us-central1-{zone}", 0.7 + 0.01 * n, name=f"g2-custom-{n}") for zone in "bc" for n in range(1, 31)
    ]
    await _poll(store, "gcp", "us-central1", [GCP_L4, replace(GCP_SPOT, availability=Availability.of_boolean(True)), *more], NOW)
    listed = replace(AZURE_A10G, source_kind=SourceKind.SNAPSHOT)
    await _poll(store, "azure", "northeurope", [listed], SNAPSHOT_DAY)
    proved = {"gcp": "sdk-triangulated with google-cloud-compute 1.57.0, 24 faults held, 2026-11-20"}
    for name, kind, count in (("aws", "simulated", 4), ("gcp", "simulated", 62), ("azure", "snapshot", 1)):
        told = ProviderStatus(name, "default", kind, Freshness.FRESH, 300, count, NOW, quarantined=int(name == "gcp"))
        await store.offers.put_status(replace(told, proved=proved.get(name, "")))
    broken = ProviderStatus(
        "lambda", "default", "live", Freshness.STALE, 300, 18, NOW - 2 * HOUR, "HTTP 503 from /instance-types", ("us-west-2",), 3
    )
    await store.offers.put_status(broken)
    refused = "verda: sign-in: HTTP 401: invalid client"
    await store.offers.put_status(ProviderStatus("verda", "second", "live", Freshness.NEVER, 120, 0, None, refused, stopped=refused))
    sold_out = LaunchRecord(f"offer:{AWS_H100.id}", NOW, 1, 0, NOW + HOUR, "launch refused 1 in a row (InsufficientInstanceCapacity)")
    await store.evidence.put_records([sold_out])


async def _poll(store: Store, feed: str, scope: str, offers: Sequence[Offer], at: datetime) -> None:
    law = {"northeurope": "IE"}.get(scope, "US")
    told = tuple(replace(each, observed_at=at, jurisdiction=law, source=f"{feed} market") for each in offers)
    quarantined = (Quarantined(scope, "x1.broken", "price is negative"),) if feed == "gcp" else ()
    await store.offers.ingest(feed, "default", OfferPage(scope, told, quarantined, complete=True), at)


def _workload() -> Workload:
    survives = PlacementRules(providers=("aws", "gcp"), survivability=Survivability(FailureDomain.PROVIDER, 1.0), spot_ceiling=0.5)
    chat = deployment(
        "chat", demand=(Demand("us", 90.0), Demand("eu", 30.0, jurisdictions=("EU", "US"))), model="llama-8b", rules=survives,
        price_book=PriceBook(micro_usd(1), micro_usd(6)), headroom=0.2, priority=200, tenant="acme", max_replicas=8,
    )  # fmt: skip
    cheap = PlacementRules(capacity_types=("spot",))
    batch = deployment(
        "batch", 60.0, model="llama-8b", rules=cheap, best_effort=True, tenant="globex", price_book=PriceBook(0, micro_usd(0.5))
    )
    shapes = tuple(shape("llama-8b", name, rate=rate) for name, rate in ((L4, 90.0), (A10G, 100.0), ("A10-24GB-PCIe", 100.0)))
    return Workload(deployments=(chat, batch), models=(model("llama-8b"),), shapes=shapes)


def _nodes() -> tuple[Node, ...]:
    return (
        node("n-p1-1", AWS_L4, VIRGINIA.id),
        node("n-p1-2", AWS_SPOT, VIRGINIA.id, state=NodeState.INTERRUPTED, interrupted=True, reason="spot interruption notice"),
        node("n-p1-3", GCP_L4, IOWA.id),
        node("n-p2-1", GCP_SPOT, IOWA.id),
        node("n-p2-2", GCP_L4, IOWA.id, state=NodeState.LAUNCHING),
    )


def _replicas(nodes: Sequence[Node]) -> tuple[Replica, ...]:
    at = {each.id: each for each in nodes}
    made = (
        replica("chat-p1-1", at["n-p1-1"], deployment="chat", in_flight=14),
        replica("chat-p1-2", at["n-p1-3"], deployment="chat", in_flight=11),
        replica("batch-p1-3", at["n-p1-2"], deployment="batch", in_flight=4, weight=60),
        replica("chat-p2-1", at["n-p2-1"], deployment="chat", state=ReplicaState.STARTING, endpoint="", weight=0),
        replica("batch-p2-2", at["n-p2-2"], deployment="batch", state=ReplicaState.REQUESTED, endpoint="", weight=0),
    )
    return tuple(replace(each, shape=f"llama-8b/{L4}x1") for each in made)


def _plans(epoch: int) -> tuple[Plan, ...]:
    """One that was applied hours ago, one under way with a move against a deadline, one that waits for a decision."""
    first = _plan("p1", micro_usd(0), micro_usd(1.8336))
    began = [("chat", VIRGINIA), ("chat", IOWA), ("batch", VIRGINIA)]
    starts = []
    for number, (of, place) in enumerate(began, start=1):
        ended = NOW - 3 * HOUR + timedelta(seconds=70 + 9 * number)
        start = replace(_move(f"p1-m{number}", of, "", f"{of}-p1-{number}"), kind=MoveKind.START, reason="more capacity is wanted")
        starts.append(replace(start, state=MoveState.STOPPED, started_at=NOW - 3 * HOUR, ended_at=ended))
        first = replace(first, new_replicas=(*first.new_replicas, NewReplica(f"{of}-p1-{number}", of, "s", place.id, ("n",), 1)))
    urgent = replace(
        _move("p2-m1", "batch", "batch-p1-3", "batch-p2-2"),
        state=MoveState.ACQUIRING,
        reason="node n-p1-2 is being reclaimed: spot interruption notice",
        wave=0,
        urgent_until=NOW + timedelta(seconds=112),
        started_at=NOW - timedelta(seconds=9),
    )
    calm = replace(_move("p2-m2", "chat", "chat-p1-1", "chat-p2-1"), state=MoveState.STARTING, started_at=NOW - timedelta(seconds=31))
    coming = tuple(NewReplica(m.new_replica, m.deployment, "s", IOWA.id, ("n",), 1) for m in (urgent, calm))
    second = replace(_plan("p2", micro_usd(1.8336), micro_usd(1.6965)), moves=(urgent, calm), new_replicas=coming)
    third = replace(_plan("p3", micro_usd(1.6965), micro_usd(1.2723)), moves=(_move("p3-m1", "chat", "chat-p1-2", "chat-p3-1"),))
    return (
        replace(first, state=PlanState.APPLIED, created_at=NOW - 3 * HOUR, moves=tuple(starts), epoch=epoch),
        replace(second, state=PlanState.APPLYING, created_at=NOW - timedelta(seconds=40), epoch=epoch),
        replace(third, state=PlanState.PROPOSED, created_at=NOW - timedelta(seconds=4), trigger="nightly_rebalance", epoch=epoch),
    )


def _move(name: str, of: str, old: str, new: str) -> Move:
    return Move(name, name.partition("-")[0], 1, MoveKind.MIGRATE, of, old, new, "cheaper or better placed elsewhere")


def _plan(name: str, before: int, after: int) -> Plan:
    """A plan without moves that changes the cost from one figure to another, both micro-USD per hour."""
    terms = (
        CostTerm("nodes", after, "all wanted nodes at their effective price"),
        CostTerm("moves", micro_usd(0.0123), "start-up and double occupancy, over 4 h"),
    )
    target = Target(
        placements=_placements(),
        pools=(),
        routes=(),
        unmet=(),
        terms=terms,
        objective_micro_usd_per_h=after,
        bound_micro_usd_per_h=round(after * 0.998),
        gap=0.002,
        status="optimal",
        solve_ms=184,
    )
    share = (before - after) / before if before else 0.0
    text = f"saves {usd_text(before - after, 4)}/h ({share:.1%}): score {share * 3:.2f}" if before else "necessary: demand is unmet"
    return Plan(
        id=name,
        created_at=NOW,
        snapshot_version=7,
        epoch=1,
        trigger="deployment_changed",
        target=target,
        new_nodes=(),
        new_replicas=(),
        moves=(),
        releases=(),
        cost_before_micro_usd_per_h=before,
        cost_after_micro_usd_per_h=after,
        gate=GateVerdict(True, before == 0, share * 3, 0.5, text),
    )


def _placements() -> tuple[Placement, ...]:
    where = (("chat", GCP_SPOT, 1), ("chat", GCP_L4, 1), ("batch", GCP_SPOT, 1))
    return tuple(Placement(of, "s", pool_id(IOWA.id, on.id), IOWA.id, on.id, count) for of, on, count in where)


def _events() -> tuple[Event, ...]:
    told = (
        (180, EventKind.PLAN_CHANGED, "p1", "plan p1 is applied: 3 moves"),
        (60, EventKind.PRICE_SPIKE, AWS_SPOT.id, "g6.xlarge spot in us-east-1a rose by 31 % within 6 h"),
        (12, EventKind.INTERRUPTION_NOTICE, "n-p1-2", "aws takes node n-p1-2 back in 120 s"),
        (9, EventKind.MOVE_CHANGED, "p2-m1", "migrate p2-m1 is acquiring"),
        (4, EventKind.PROVIDER_POLLED, "gcp", "gcp: 62 offers, 1 row quarantined"),
    )
    return tuple(Event(kind, NOW - timedelta(seconds=seconds), subject, message) for seconds, kind, subject, message in told)


async def _usage(store: Store, nodes: Sequence[Node]) -> None:
    """Two hours of metered tokens and node time."""
    minutes = [NOW - timedelta(minutes=back) for back in range(1, 121)]
    tokens = [
        TokenUsage(at, t, d, r, 60, 0, 40_000 * f, 9_000 * f)
        for at in minutes
        for t, d, r, f in (("acme", "chat", "chat-p1-1", 2), ("globex", "batch", "batch-p1-3", 1))
    ]
    await store.usage.add_tokens(tokens)
    owner = {"n-p1-1": "chat", "n-p1-2": "batch", "n-p1-3": "chat"}
    rows = []
    for index, at in enumerate(minutes):
        for each in nodes:
            phase = "starting" if index > 112 else "draining" if index < 4 else "serving"
            busy = 48.0 if each.id in owner else 0.0
            for name, kind, seconds in ((owner.get(each.id, ""), phase, busy), ("", "idle", 60.0 - busy)):
                if seconds and (each.id in owner or index < 10):
                    rows.append(NodeUsage(at, each.id, name, kind, seconds, round(each.price_micro_usd_per_h * seconds / 3600)))
    await store.usage.put_nodes(rows)
