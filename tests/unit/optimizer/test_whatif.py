"""What-if questions: each changes what it names and nothing else, and a wrong one says what was probably meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.lifecycle import ClusterState
from scheduler.domain.offer import CapacityType, Quota, QuotaUnit, Reservation
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.units import micro_usd
from scheduler.domain.workload import Demand, FailureDomain, Spread, Survivability
from scheduler.optimizer import SolveSettings, check, compare, solve, what_if
from tests.builders import NOW, cluster, deployment, node, offer, replica, shape, world

L4 = offer("aws", "us-east-1", "us-east-1a", 1.0)
L4_B = offer("aws", "us-east-1", "us-east-1b", 1.1)
H100 = offer("gcp", "europe-west1", "europe-west1-b", 4.0, accelerator="H100-80GB-SXM")
GH200 = offer("gcp", "europe-west12", "europe-west12-a", 5.0, accelerator="GH200-96GB-SXM")
NODE, NODE_B = node("n1", L4, "aws-us-east-1"), node("n2", L4_B, "aws-us-east-1")
QUIET = SolveSettings(explain=False)


def quota(region: str = "us-east-1", family: str = "Running G and VT", limit: int = 8) -> Quota:
    return Quota("aws", "default", region, family, QuotaUnit.GPU, limit, (CapacityType.ON_DEMAND,), NOW)


def fleet(**more: object) -> Snapshot:
    parts: dict[str, object] = {
        "offers": [L4, L4_B, H100, GH200],
        "clusters": [cluster(), cluster("gcp", "europe-west1"), cluster("gcp", "europe-west12")],
        "nodes": [NODE, NODE_B],
        "replicas": [replica("r1", NODE), replica("r2", NODE_B)],
        "deployments": [deployment("d", 80), deployment("e", 50, model="big")],
        "quotas": [quota()],
    }
    return world(**parts | more)


def caps(snapshot: Snapshot) -> dict[str, int]:
    return {identity: cap.nodes for identity, cap in snapshot.caps.items()}


def prices(snapshot: Snapshot) -> list[float]:
    return [each.price_micro_usd_per_h / 1e6 for each in (*snapshot.offers, *snapshot.nodes)]


@pytest.mark.parametrize("question", ["lose provider:aws", "lose region:aws:us-east-1", "lose cluster:aws-us-east-1"])
def test_a_loss_takes_clusters_nodes_replicas_and_stock(question: str) -> None:
    lost = what_if(fleet(), [question])
    assert {each.id: each.state for each in lost.clusters}["aws-us-east-1"] is ClusterState.LOST
    assert [each.state for each in lost.clusters[1:]] == [ClusterState.READY] * 2
    assert (lost.nodes, lost.replicas) == ((), ())
    assert caps(lost) == {L4.id: 0, L4_B.id: 0}


def test_a_lost_zone_leaves_the_cluster_its_other_zones() -> None:
    lost = what_if(fleet(), ["lose zone:aws:us-east-1:us-east-1a"])
    assert (lost.clusters[0].state, lost.clusters[0].zones) == (ClusterState.READY, ("us-east-1b",))
    assert ([each.id for each in lost.nodes], [each.id for each in lost.replicas]) == (["n2"], ["r2"])
    assert caps(lost) == {L4.id: 0}


def test_a_cluster_without_any_zone_left_is_lost() -> None:
    zones = [f"lose zone:aws:us-east-1:us-east-1{letter}" for letter in "ab"]
    lost = what_if(fleet(), zones)
    assert (lost.clusters[0].state, lost.nodes, caps(lost)) == (ClusterState.LOST, (), {L4.id: 0, L4_B.id: 0})
    assert lost.clusters[1] == fleet().clusters[1]


def test_offers_of_a_lost_cluster_stay_for_another_one_in_its_place() -> None:
    lost = what_if(fleet(clusters=[cluster(), cluster(id="twin")]), ["lose cluster:twin"])
    assert ([each.state for each in lost.clusters], caps(lost)) == ([ClusterState.READY, ClusterState.LOST], {})
    assert lost.nodes == (NODE, NODE_B)


def test_a_gang_is_lost_with_any_of_its_nodes() -> None:
    gang = replace(replica("gang", NODE), nodes=(NODE.id, NODE_B.id))
    assert what_if(fleet(replicas=[gang]), ["lose zone:aws:us-east-1:us-east-1b"]).replicas == ()


def test_a_reservation_of_a_whole_region_outlives_one_of_its_zones() -> None:
    def held(zone: str) -> Reservation:
        return Reservation(f"r{zone}", "aws", "default", "us-east-1", zone, L4.instance_type.name, 2, 0, NOW, NOW - timedelta(days=1))

    lost = what_if(fleet(reservations=[held(""), held("us-east-1a")], nodes=[], replicas=[]), ["lose zone:aws:us-east-1:us-east-1a"])
    assert [each.id for each in lost.reservations] == ["r"]
    target = solve(lost, QUIET)
    assert {each.offer_id.split("/")[3] for each in target.placements if each.deployment == "d"} == {"us-east-1b"}
    assert check(lost, target) == ()


def test_a_price_changes_for_a_family_whatever_its_case_and_for_nodes_that_run() -> None:
    assert prices(what_if(fleet(), ["price h100 +20%"])) == [1.0, 1.1, 4.8, 5.0, 1.0, 1.1]
    assert prices(what_if(fleet(), ["price L4-24gb -50%"])) == [0.5, 0.55, 4.0, 5.0, 0.5, 0.55]
    assert prices(what_if(fleet(), ["price provider:aws x2"])) == [2.0, 2.2, 4.0, 5.0, 2.0, 2.2]


@pytest.mark.parametrize("amount", ["3.20", "=3.20", "$3.20"])
def test_an_offer_may_get_a_price_in_dollars(amount: str) -> None:
    assert prices(what_if(fleet(), [f"price offer:{L4.id} {amount}"])) == [3.2, 1.1, 4.0, 5.0, 3.2, 1.1]


def test_a_price_is_rounded_half_up_to_whole_micro_usd() -> None:
    odd = replace(L4, price_micro_usd_per_h=5)
    assert what_if(world(offers=[odd]), ["price l4 -10%"]).offers[0].price_micro_usd_per_h == 5
    assert what_if(world(offers=[odd]), ["price l4 -30%"]).offers[0].price_micro_usd_per_h == 4


def test_a_quota_is_raised_or_set_by_its_id_or_by_the_beginning_of_it() -> None:
    both = fleet(quotas=[quota(), quota("us-east-1", "P", 4)])
    assert [each.limit for each in what_if(both, ["quota aws/default/us-east-1/Running G and VT +8"]).quotas] == [16, 4]
    assert [each.limit for each in what_if(both, [f"quota {quota().id} =16"]).quotas] == [16, 4]
    assert [each.limit for each in what_if(both, ["quota aws -6"]).quotas] == [2, 0]


def test_stock_is_set_or_added_to_what_is_known() -> None:
    known = fleet(caps={L4.id: LaunchCap(3, 0.9, "told")})
    assert caps(what_if(known, ["stock aws/default/us-east-1 =0"])) == {L4.id: 0, L4_B.id: 0}
    assert caps(what_if(known, [f"stock {L4.id} +4"])) == {L4.id: 7}
    assert "what if" in what_if(known, [f"stock {L4.id} +4"]).caps[L4.id].reason


def test_a_name_ends_where_its_part_ends() -> None:
    assert caps(what_if(fleet(), ["stock gcp/default/europe-west1 =0"])) == {H100.id: 0}


def test_demand_grows_by_deployment_by_model_or_altogether() -> None:
    def rates(question: str) -> list[float]:
        return [each.tokens_per_s for each in what_if(fleet(), [question]).deployments]

    assert rates("demand d +50%") == [120, 50]
    assert rates("demand big -20%") == [80, 40]
    assert rates("demand * x2") == [160, 100]


def test_a_deployment_goes_before_the_model_of_its_name() -> None:
    named = fleet(deployments=[deployment("m", 10), deployment("other", 10)])
    assert [each.tokens_per_s for each in what_if(named, ["demand m x3"]).deployments] == [30, 10]


def test_a_rule_is_left_out_of_one_deployment() -> None:
    rule = {
        "survivability": Survivability(FailureDomain.ZONE),
        "spot_ceiling": 0.5,
        "spread": Spread(FailureDomain.ZONE, 0.5),
        "spot_loss_share": 0.5,
        "jurisdictions": ("EU",),
    }
    demand = (Demand("eu", 10, jurisdictions=("EU",)),)
    strict = deployment("d", rule=rule, demand=demand, max_replicas=3, budget_micro_usd_per_h=micro_usd(5))
    names = ("survivability", "spot_ceiling", "spread", "spot_loss_share", "budget", "residency", "max_replicas")
    free = what_if(fleet(deployments=[strict]), [f"without d: {name}" for name in names]).deployments[0]
    assert free == deployment("d", demand=(Demand("eu", 10),), max_replicas=1000)


def test_questions_apply_in_order_to_what_is_left() -> None:
    assert prices(what_if(fleet(), [f"price offer:{L4.id} 2", "price l4 +50%"]))[:2] == [3.0, 1.65]
    assert prices(what_if(fleet(), ["price l4 +50%", f"price offer:{L4.id} 2"]))[:2] == [2.0, 1.65]


def test_no_question_changes_nothing() -> None:
    nothing = ["price l4 +0%", "price provider:gcp x1", "demand * -0%", "quota aws +0"]
    assert what_if(fleet(), []) == what_if(fleet(), nothing) == fleet()


@pytest.mark.parametrize(
    ("question", "problem", "remedy"),
    [
        ("", "is no what-if", "lose, price, quota"),
        ("loose provider:aws", "is no what-if", "lose provider:NAME"),
        ("lose", "does not say what changes", "lose provider:NAME"),
        ("lose rack:7", "'rack' is nothing that can be lost", "lose zone:PROVIDER:REGION:ZONE"),
        ("lose provider:asw", "no provider 'asw'", "Did you mean aws?"),
        ("lose region:us-east-1", "no region 'us-east-1'", "aws:us-east-1"),
        ("lose cluster:east", "no cluster 'east'", "aws-us-east-1"),
        ("price h100", "by how much", "price GPU +20%"),
        ("price h100 +20", "no change of a price", "price GPU +20%"),
        ("price h100 3.20", "only offers", "price offer:ID 3.20"),
        ("price h100 -101%", "out of range", "-100%"),
        ("price h100 x1e99", "no change of a price", "price GPU"),
        ("price h10 +1%", "no accelerator 'h10'", "Did you mean h100?"),
        ("price colour:red +1%", "'colour' is nothing that has a price", "price provider:NAME"),
        ("price offer:aws/default/us-east-2 +1%", "no offer", "Did you mean aws/default/us-east-1?"),
        ("quota aws/default/us-east-1/X +8%", "no change of a quota", "=16"),
        ("quota aws/default/us-east-1/X +1.5", "not a whole number", "=16"),
        ("quota gcp =1", "no quota 'gcp'", "aws"),
        ("stock aws/default/us-east-1/us-east-1c =0", "no offer", "us-east-1b"),
        ("demand d =7", "no change of a demand", "x2"),
        ("demand x x2", "no deployment or model 'x'", "Known: big, d, e, m"),
        ("without d", "a deployment and a rule", "without DEPLOYMENT:"),
        ("without d: survival", "no rule", "Did you mean survivability?"),
        ("without f: budget", "no deployment 'f'", "d, e"),
        ("without d: budget", "states no budget", "It states max_replicas."),
    ],
)
def test_a_wrong_question_is_told_with_its_remedy(question: str, problem: str, remedy: str) -> None:
    with pytest.raises(InvalidInputError) as told:
        what_if(fleet(), ["price l4 +0%", question])
    assert (told.value.field, told.value.value) == ("what_if[1]", question)
    assert problem in told.value.problem
    assert remedy in told.value.remedy


def test_the_comparison_tells_what_a_loss_costs_and_moves() -> None:
    two = world(
        offers=[L4, offer("gcp", "europe-west1", usd=1.5)],
        clusters=[cluster(), cluster("gcp", "europe-west1")],
        deployments=[deployment("d", 150)],
    )
    asked = ["lose provider:aws"]
    answer = compare(asked, solve(two, QUIET), solve(what_if(two, asked), QUIET))
    assert answer.text.startswith("lose provider:aws: costs $1.0")
    assert answer.text.endswith("everything is met")
    assert [(each.cluster, each.before, each.after) for each in answer.shifts] == [("aws-us-east-1", 2, 0), ("gcp-europe-west1", 0, 2)]
    assert (answer.gap_before, answer.gap_after, answer.unmet) == (0, 0, ())


def test_the_comparison_names_what_cannot_be_met() -> None:
    one = world(offers=[L4], shapes=[shape()], deployments=[deployment("d", 150), deployment("never", 50, rule={"providers": ("gcp",)})])
    asked = ["lose provider:aws"]
    answer = compare(asked, solve(one, QUIET), solve(what_if(one, asked), QUIET))
    assert answer.text.endswith("these deployments cannot be met: d, never (nor without the change)")
    assert ("d", 0.0, 150.0) in [(each.deployment, each.before, each.after) for each in answer.unmet]
