"""External endpoints in a plan: bought by the slice where that pays, and only where residency and rules allow."""

from __future__ import annotations

from dataclasses import replace

from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import Demand, ExternalEndpoint, FailureDomain, PriceBook, Survivability
from scheduler.optimizer import check, solve, what_if, with_endpoints
from tests.builders import cluster, deployment, offer, shape, world

CHEAP = ExternalEndpoint("e", "m", "https://e.example", "US", PriceBook(0, 1_000_000))
"""A dollar per million output tokens: $0.36 an hour for the 100 tokens/s that a node at a dollar serves."""


def fleet(endpoint: ExternalEndpoint = CHEAP, **more: object) -> Snapshot:
    wanted = deployment(tokens_per_s=200, headroom=0.0, **more)
    snapshot = world(offers=[offer(usd=1.0)], clusters=[cluster()], shapes=[shape(rate=100)], deployments=[wanted], endpoints=[endpoint])
    return with_endpoints(snapshot)


def placed(snapshot: Snapshot) -> dict[str, int]:
    target = solve(snapshot)
    assert not check(snapshot, target)
    return {each.cluster: each.replicas for each in target.placements}


def test_a_cheaper_endpoint_serves_by_the_slice_and_the_plan_says_it_is_not_routed_yet() -> None:
    target = solve(fleet())
    assert [(each.cluster, each.replicas) for each in target.placements] == [("endpoint:e", 2)]
    assert target.objective_micro_usd_per_h == 720_000
    assert any("the edge does not send traffic to external endpoints yet" in reason.text for reason in target.reasons)


def test_only_the_stated_throughput_can_be_had() -> None:
    assert placed(fleet(replace(CHEAP, max_tokens_per_s=100.0))) == {"endpoint:e": 1, "aws-us-east-1": 1}


def test_input_tokens_are_paid_by_the_size_of_the_bucket() -> None:
    endpoint = replace(CHEAP, price=PriceBook(500_000, 1_000_000))
    short = fleet(endpoint, demand=(Demand("us", 200.0, "1024x8192"),))
    long = fleet(endpoint, demand=(Demand("us", 200.0, "8192x1024"),))
    assert placed(short) == {"endpoint:e": 3}
    assert placed(long) == {"aws-us-east-1": 2}


def test_rules_that_are_set_exclude_it_unless_they_name_it() -> None:
    here = {"aws-us-east-1": 2}
    assert placed(fleet(rule={"providers": ("aws",)})) == here
    assert placed(fleet(rule={"accelerators": ("L4-24GB-PCIe",)})) == here
    assert placed(fleet(rule={"capacity_types": ("on-demand",)})) == here
    assert placed(fleet(rule={"capacity_types": ("on-demand", "endpoint")})) == {"endpoint:e": 2}
    assert placed(fleet(rule={"providers": ("aws", "endpoint:e")})) == {"endpoint:e": 2}
    assert placed(fleet(replace(CHEAP, jurisdiction=""), rule={"jurisdictions": ("US",)})) == here


def test_it_is_a_failure_domain_and_can_be_lost() -> None:
    survivor = fleet(rule={"survivability": Survivability(FailureDomain.PROVIDER, 0.5)})
    assert placed(survivor) == {"endpoint:e": 1, "aws-us-east-1": 1}
    assert placed(what_if(fleet(), ["lose provider:endpoint:e"])) == {"aws-us-east-1": 2}
