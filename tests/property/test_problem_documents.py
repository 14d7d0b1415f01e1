"""Over random worlds: a problem written and read again is the same problem, and a document read and written again the same bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.api.placement_document import PlacementProblem, problem_of
from scheduler.api.placement_write import text_of
from scheduler.domain.fleet import Node, Replica
from scheduler.domain.lifecycle import ClusterState, NodeState, ReplicaState, Schedulability
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, Quota, QuotaUnit, Reservation, SourceKind
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.workload import (
    Demand,
    Deployment,
    DisruptionBudget,
    EngineKind,
    ExternalEndpoint,
    FailureDomain,
    PlacementRules,
    PriceBook,
    Slo,
    Spread,
    Survivability,
)
from tests.builders import NOW, cluster, model, shape

PLACES = (("aws", "us-east-1", "US"), ("gcp", "europe-west4", "NL"), ("cloud-09", "de-frankfurt", "DE"))
GPUS = ("L4-24GB-PCIe", "H100-80GB-SXM", "B200-180GB-SXM")
share = st.floats(0, 1)
micro = st.integers(0, 10**12)
text = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)
moment = st.integers(0, 10**6).map(lambda seconds: NOW - timedelta(seconds=seconds))


@st.composite
def offers(draw: st.DrawFn) -> list[Offer]:
    found = {}
    for provider, region, country in PLACES:
        for number in range(draw(st.integers(0, 3))):
            count = draw(st.sampled_from((1, 2, 4, 8)))
            kind = InstanceType(provider, f"t{number}", draw(st.sampled_from(GPUS)), count, 8, draw(st.floats(0, 4096)), draw(text))
            of = Offer(
                kind, region, draw(st.sampled_from(("a", "b"))), draw(st.sampled_from((CapacityType.ON_DEMAND, CapacityType.SPOT))),
                draw(micro), Availability(), draw(st.one_of(st.just(NOW), moment)), draw(st.sampled_from(SourceKind)), draw(text),
                jurisdiction=draw(st.sampled_from((country, ""))), interruptions_per_h=draw(st.none() | st.floats(0, 5)),
                notice_s=draw(st.integers(0, 200)), launch_s=draw(st.integers(0, 4000)),
            )  # fmt: skip
            found[of.id] = of
    return list(found.values())


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    where = draw(st.sampled_from(((), ("EU",), ("US", "DE"))))
    bucket = draw(st.sampled_from(("all", "1024x1024", "8192x1024")))
    return Demand(draw(text), draw(st.floats(0, 1e9)), bucket, where, draw(st.none() | st.integers(0, 60_000)))


@st.composite
def deployments(draw: st.DrawFn, index: int) -> Deployment:
    domain = st.sampled_from(FailureDomain)
    rules = PlacementRules(
        providers=draw(st.sampled_from(((), ("aws", "gcp")))),
        regions=draw(st.sampled_from(((), ("us-east-1",)))),
        jurisdictions=draw(st.sampled_from(((), ("EU", "US")))),
        accelerators=draw(st.sampled_from(((), GPUS[:2]))),
        capacity_types=draw(st.sampled_from(((), ("on-demand",), ("on-demand", "spot")))),
        spot_ceiling=draw(share),
        spot_loss_share=draw(share),
        survivability=draw(st.none() | st.builds(Survivability, domain, share)),
        spread=draw(st.none() | st.builds(Spread, domain, st.floats(0.01, 1))),
        pins=draw(st.sampled_from(((), ("aws-us-east-1",)))),
    )
    return Deployment(
        id=f"d{index}",
        model="m",
        demand=tuple(draw(st.lists(demands(), min_size=1, max_size=3))),
        engine=draw(st.sampled_from(EngineKind)),
        tenant=draw(st.sampled_from(("default", "acme"))),
        slo=Slo(draw(st.integers(1, 10**7)), draw(st.integers(1, 10**6)), draw(st.floats(0.5, 0.9999))),
        headroom=draw(st.floats(0, 10)),
        min_replicas=draw(st.integers(0, 3)),
        max_replicas=draw(st.integers(3, 1000)),
        priority=draw(st.integers(0, 1_000_000)),
        best_effort=draw(st.booleans()),
        rules=rules,
        disruption=DisruptionBudget(draw(st.integers(0, 5)), draw(st.integers(1, 5))),
        price_book=draw(st.none() | st.builds(PriceBook, micro, micro)),
        budget_micro_usd_per_h=draw(st.none() | micro),
    )


@st.composite
def running(draw: st.DrawFn, offered: list[Offer], wanted: list[Deployment]) -> tuple[tuple[Node, ...], tuple[Replica, ...]]:
    nodes, replicas = [], []
    for number, of in enumerate(offered[: draw(st.integers(0, 3))]):
        here = f"{of.provider}-{of.region}"
        state = draw(st.sampled_from(NodeState))
        nodes.append(Node(f"n{number}", here, of.id, of.instance_type, of.zone, of.capacity_type, draw(micro), state, f"n{number}", NOW))
        if wanted:
            state = draw(st.sampled_from(ReplicaState))
            replicas.append(Replica(f"r{number}", wanted[0].id, "m/L4-24GB-PCIex1", here, (f"n{number}",), state, 1, NOW))
    return tuple(nodes), tuple(replicas)


@st.composite
def problems(draw: st.DrawFn) -> PlacementProblem:
    offered = draw(offers())
    wanted = [draw(deployments(index)) for index in range(draw(st.integers(0, 3)))]
    capped = [of for of in offered if draw(st.booleans())]
    kinds = st.sampled_from(((CapacityType.SPOT,), (CapacityType.ON_DEMAND, CapacityType.SPOT)))
    unit = st.sampled_from(QuotaUnit)
    quota = Quota("aws", "default", draw(st.sampled_from(("", "us-east-1"))), "P", draw(unit), draw(st.integers(0, 999)), draw(kinds), NOW)
    held = [Reservation("r", "aws", "default", "us-east-1", "", of.instance_type.name, 2, draw(micro), NOW, starts_at=NOW)
            for of in offered[:1] if of.provider == "aws"]  # fmt: skip
    schedulability, state = draw(st.sampled_from(Schedulability)), draw(st.sampled_from(ClusterState))
    nodes, replicas = draw(running(offered, wanted))
    snapshot = Snapshot(
        version=1,
        taken_at=NOW,
        offers=tuple(offered),
        caps={of.id: LaunchCap(draw(st.integers(0, 99)), draw(share), draw(text)) for of in capped},
        quotas=draw(st.sampled_from(((), (quota, replace(quota, family="G", used=3))))),
        reservations=tuple(held),
        clusters=tuple(cluster(p, r, jurisdiction=c, schedulability=schedulability, state=state, zones=("a",)) for p, r, c in PLACES),
        nodes=nodes,
        replicas=replicas,
        models=(model(), model("n", parameters_b=draw(st.floats(0.1, 1e5)))),
        shapes=(shape(), shape(accelerator=GPUS[1], count=4, rate=draw(st.floats(0.1, 1e9)), nodes=2, tensor_parallel=4)),
        deployments=tuple(wanted),
        amortisation_h=draw(st.floats(0.1, 1000)),
        endpoints=draw(st.sampled_from(((), (ExternalEndpoint("e", "m", "https://e.example", "US", PriceBook(1, 2), 5.0),)))),
        egress_micro_usd_per_gb=draw(st.sampled_from(({}, {("aws:us-east-1", "gcp:europe-west4"): 90_000}))),
        latency_ms=draw(st.sampled_from(({}, {("us", "aws:us-east-1"): 12}))),
    )
    about = draw(st.dictionaries(text.filter(bool), st.none() | st.integers() | text, max_size=2))
    return PlacementProblem(snapshot, draw(st.sampled_from(("cost", "margin"))), about)


@settings(max_examples=150, deadline=None)
@given(problem=problems())
def test_written_and_read_again_it_is_the_same_problem(problem: PlacementProblem) -> None:
    written = text_of(problem)
    assert problem_of(written) == problem
    assert text_of(problem_of(written)) == written
