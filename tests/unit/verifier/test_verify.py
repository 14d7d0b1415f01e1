"""The verifier's rules, one by one, on documents small enough to check by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scheduler.verifier import BadDocumentError, Verdict, verify
from tests.documents import H100, L4, certificate, cluster, deployment, offer, plan, pool, problem, shape

CHEAP, SPOT = offer(usd=1.0), offer(usd=0.4, capacity_type="spot")
FAR = offer("gcp", usd=0.5)
L4X1 = f"m/{L4}x1"


def judge(document: dict[str, Any], claim: dict[str, Any], proof: dict[str, Any] | None = None) -> Verdict:
    return verify(json.dumps(document), json.dumps(claim), None if proof is None else json.dumps(proof))


def rules(document: dict[str, Any], claim: dict[str, Any]) -> set[str]:
    return {violation.rule for violation in judge(document, claim).violations}


def on(of: dict[str, Any], replicas: int, in_cluster: str = "aws-us", name: str = "d") -> tuple[tuple[str, str, str], int]:
    return (name, pool(of, in_cluster), L4X1), replicas


def simple(replicas: int = 2, nodes: int = 2, of: dict[str, Any] = CHEAP) -> tuple[dict[tuple[str, str, str], int], dict[str, int]]:
    return dict([on(of, replicas)]), {pool(of): nodes}


def test_a_plan_that_keeps_every_rule_is_verified_and_its_cost_told_by_term() -> None:
    verdict = judge(problem(), plan(problem(), *simple()))
    assert verdict.verified
    # Two nodes at $1; each start pays 300 s of a node (180 launch, 120 load), spread over 24 h.
    assert verdict.cost == {"nodes": 2_000_000, "interruption loss": 0, "moves": 2 * round(1_000_000 * 300 / 3600 / 24)}
    assert "no certificate" in verdict.notes[0]


def test_interruption_loss_is_priced_as_node_time_while_a_replacement_launches() -> None:
    document = problem(offers=[SPOT | {"interruptions_per_h": 0.1, "launch_s": 360}])
    verdict = judge(document, plan(document, *simple(of=SPOT)))
    assert verdict.cost is not None
    assert verdict.cost["interruption loss"] == 2 * 4000


def test_one_replica_fewer_than_demand_needs_is_refused_unless_declared() -> None:
    short = plan(problem(), *simple(1, 1))
    assert rules(problem(), short) == {"demand"}
    declared = short | {"unmet": [{"deployment": "d", "origin": "anywhere", "bucket": "all", "tokens_per_s": 50.0}]}
    assert judge(problem(), declared).verified
    half = short | {"unmet": [{"deployment": "d", "origin": "anywhere", "bucket": "all", "tokens_per_s": 25.0}]}
    assert rules(problem(), half) == {"demand"}


def test_one_node_too_few_is_refused() -> None:
    assert rules(problem(), plan(problem(), *simple(2, 1))) == {"packing"}


def test_three_pairs_do_not_fit_one_node_of_four() -> None:
    two = shape(count=2, rate=60.0)
    document = problem(offers=[offer(count=4)], shapes=[two], deployments=[deployment(tokens_per_s=170.0)])
    placed = {("d", pool(offer(count=4)), two["id"]): 3}
    assert rules(document, plan(document, placed, {pool(offer(count=4)): 1})) == {"packing"}
    assert judge(document, plan(document, placed, {pool(offer(count=4)): 2})).verified


def test_understated_cost_is_refused() -> None:
    claim = plan(problem(), *simple())
    claim["cost"]["total_micro_usd_per_h"] -= 1
    assert rules(problem(), claim) == {"cost"}
    wrong = plan(problem(), *simple())
    wrong["pools"][0]["price_micro_usd_per_h"] = 1
    assert rules(problem(), wrong) == {"cost"}


def test_a_region_that_the_rules_do_not_allow_is_refused() -> None:
    both = [cluster(), cluster("gcp-nl")]
    for rule in ({"regions": ["us-east-1"]}, {"jurisdictions": ["US"]}, {"providers": ["aws"]}, {"clusters": ["aws-us"]}):
        document = problem(offers=[CHEAP, FAR], clusters=both, deployments=[deployment(rules=rule)])
        placed = dict([on(FAR, 2, "gcp-nl")])
        assert rules(document, plan(document, placed, {pool(FAR, "gcp-nl"): 2})) == set(rule)


def test_demand_is_served_only_within_its_residency_and_latency() -> None:
    both = [cluster(), cluster("gcp-nl")]
    for limit, slow in (
        ({"jurisdictions": ["US"]}, []),
        ({"latency_ms_max": 50}, [{"origin": "o", "place": "gcp:europe-west4", "ms": 51}]),
    ):
        wanted = {"origin": "o", "tokens_per_s": 150.0} | limit
        document = problem(offers=[CHEAP, FAR], clusters=both, deployments=[deployment(demand=[wanted])], latency_ms=slow)
        assert rules(document, plan(document, dict([on(FAR, 2, "gcp-nl")]), {pool(FAR, "gcp-nl"): 2})) == {"demand"}
        assert judge(document, plan(document, *simple())).verified


def test_limits_on_launches_quotas_and_counts_hold() -> None:
    capped = problem(offers=[CHEAP | {"cap": {"nodes": 1, "confidence": 1.0, "reason": "stock"}}])
    assert rules(capped, plan(capped, *simple())) == {"availability"}
    limit = {"provider": "aws", "account": "default", "region": "us-east-1", "family": L4, "unit": "vcpu", "limit": 7}
    held = problem(quotas=[limit | {"capacity_types": ["on-demand"], "used": 0}])
    assert rules(held, plan(held, *simple())) == {"quota"}
    few = problem(deployments=[deployment(max_replicas=1)])
    assert rules(few, plan(few, *simple())) == {"max_replicas"}
    many = problem(deployments=[deployment(min_replicas=3)])
    assert rules(many, plan(many, *simple())) == {"min_replicas"}
    poor = problem(deployments=[deployment(budget_micro_usd_per_h=1_900_000)])
    assert rules(poor, plan(poor, *simple())) == {"budget"}


def test_a_reservation_is_free_up_to_its_count() -> None:
    held = {"id": "r", "provider": "aws", "account": "default", "region": "us-east-1", "instance_type": "l4x1", "count": 1}
    document = problem(reservations=[held])
    reserved = pool(CHEAP | {"capacity_type": "reserved"})
    verdict = judge(document, plan(document, {("d", reserved, L4X1): 1, ("d", pool(CHEAP), L4X1): 1}, {reserved: 1, pool(CHEAP): 1}))
    assert verdict.verified
    assert verdict.cost is not None
    assert verdict.cost["nodes"] == 1_000_000
    assert {"availability", "reservation"} == rules(document, plan(document, {("d", reserved, L4X1): 2}, {reserved: 2}))


def test_survival_spread_and_spot_ceiling_are_judged_on_what_is_placed() -> None:
    both = {"offers": [CHEAP, FAR], "clusters": [cluster(), cluster("gcp-nl")]}
    survive = problem(**both, deployments=[deployment(rules={"survivability": {"domain": "region", "share": 1.0}})])
    split = dict([on(CHEAP, 2), on(FAR, 1, "gcp-nl")])
    nodes = {pool(CHEAP): 2, pool(FAR, "gcp-nl"): 1}
    assert rules(survive, plan(survive, split, nodes)) == {"survivability"}
    even = dict([on(CHEAP, 2), on(FAR, 2, "gcp-nl")])
    assert judge(survive, plan(survive, even, {pool(CHEAP): 2, pool(FAR, "gcp-nl"): 2})).verified
    spread = problem(**both, deployments=[deployment(rules={"spread": {"domain": "provider", "max_share": 0.6}})])
    assert rules(spread, plan(spread, split, nodes)) == {"spread"}
    spot = problem(offers=[CHEAP, SPOT], deployments=[deployment(rules={"spot_ceiling": 0.5})])
    assert judge(spot, plan(spot, dict([on(CHEAP, 1), on(SPOT, 1)]), {pool(CHEAP): 1, pool(SPOT): 1})).verified
    assert rules(spot, plan(spot, *simple(of=SPOT))) == {"spot_ceiling"}
    dry = problem(offers=[CHEAP, SPOT], deployments=[deployment(rules={"spot_loss_share": 0.8})])
    assert rules(dry, plan(dry, dict([on(CHEAP, 1), on(SPOT, 1)]), {pool(CHEAP): 1, pool(SPOT): 1})) == {"spot_loss_share"}


def test_a_cordoned_cluster_does_not_grow_and_pins_are_kept() -> None:
    closed = problem(clusters=[cluster(schedulability="cordoned")])
    assert rules(closed, plan(closed, *simple())) == {"availability", "cluster"}
    pinned = problem(offers=[CHEAP, FAR], clusters=[cluster(), cluster("gcp-nl")], deployments=[deployment(rules={"pins": ["gcp-nl"]})])
    assert rules(pinned, plan(pinned, *simple())) == {"pins"}


def test_routes_stay_within_residency_and_capacity() -> None:
    route = {"deployment": "d", "origin": "anywhere", "bucket": "all", "pool": pool(CHEAP), "shape": L4X1, "tokens_per_s": 150.0}
    assert judge(problem(), plan(problem(), *simple()) | {"routes": [route]}).verified
    assert rules(problem(), plan(problem(), *simple()) | {"routes": [route | {"tokens_per_s": 250.0}]}) == {"routes"}
    assert rules(problem(), plan(problem(), *simple()) | {"routes": [route | {"origin": "elsewhere"}]}) == {"routes"}


def test_names_that_lead_nowhere_are_told() -> None:
    claim = plan(problem(), *simple())
    claim["placements"][0]["shape"] = "none"
    assert rules(problem(), claim) == {"shape"}
    assert rules(problem(), plan(problem(), {("d", pool(FAR), L4X1): 2}, {pool(FAR): 2})) == {"pool"}


def test_the_bound_is_the_cost_where_prices_are_right() -> None:
    start = round(1_000_000 * 300 / 3600 / 24)
    verdict = judge(problem(), plan(problem(), *simple()), certificate({pool(CHEAP): 1_000_000}, claimed=2_000_000 + 2 * start))
    assert verdict.verified
    assert verdict.gap == 0
    assert verdict.bound is not None
    assert verdict.bound.total == 2_000_000 + 2 * start


def test_a_claimed_bound_that_the_multipliers_do_not_prove_is_refused() -> None:
    verdict = judge(problem(), plan(problem(), *simple()), certificate({pool(CHEAP): 500_000}, claimed=2_000_000))
    assert {violation.rule for violation in verdict.violations} == {"bound"}


def test_mixed_rates_by_bucket_are_a_flow_with_gains() -> None:
    mixed = shape(H100, rate=0, tokens_per_s={"short": 100.0, "long": 50.0})
    big = offer(accelerator=H100)
    demand = [{"origin": "o", "tokens_per_s": 100.0, "bucket": "short"}, {"origin": "o", "tokens_per_s": 60.0, "bucket": "long"}]
    document = problem(offers=[big], shapes=[mixed], deployments=[deployment(demand=demand)])
    placed = {("d", pool(big), mixed["id"]): 2}
    assert rules(document, plan(document, placed, {pool(big): 2})) == {"demand"}
    enough = plan(document, dict.fromkeys(placed, 3), {pool(big): 3})
    verdict = judge(document, enough, certificate({pool(big): 1_000_000}))
    assert verdict.verified
    assert verdict.gap == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": 2}, "only version 1"),
        ({"offer": []}, "unknown field offer"),
        ({"deployments": [deployment(headrom=0.1)]}, r"deployments\[0\]: unknown field headrom"),
        ({"deployments": [deployment(), deployment()]}, "d is listed twice"),
        ({"settings": {"objective": "glory"}}, "glory is not one of"),
        ({"offers": [offer() | {"price_micro_usd_per_h": 1.5}]}, "an integer is expected"),
        ({"offers": [offer() | {"type": "aws/none"}]}, "aws/none is not among instance_types"),
    ],
)
def test_bad_documents_are_refused_with_the_place(change: dict[str, Any], text: str) -> None:
    with pytest.raises(BadDocumentError, match=text):
        judge(problem() | change, plan(problem(), *simple()))


def test_negative_multipliers_and_unknown_pools_are_bad_input() -> None:
    for pools in ({pool(CHEAP): -1.0}, {"nowhere": 1.0}):
        with pytest.raises(BadDocumentError):
            judge(problem(), plan(problem(), *simple()), certificate(pools))
