"""What the optimizer promises, one rule a test."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.domain.lifecycle import ClusterState, NodeState, Schedulability
from scheduler.domain.offer import CapacityType, Quota, QuotaUnit, Reservation
from scheduler.domain.plan import Target, Verdict
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.units import micro_usd
from scheduler.domain.workload import Demand, FailureDomain, Spread, Survivability
from scheduler.optimizer import check, conflict, solve
from tests.builders import NOW, cluster, deployment, node, offer, replica, shape, world


def solved(snapshot: Snapshot) -> Target:
    target = solve(snapshot)
    assert check(snapshot, target) == ()
    assert target.bound_micro_usd_per_h <= target.objective_micro_usd_per_h
    assert target.gap <= 1e-3
    return target


def counts(target: Target) -> dict[str, int]:
    found: dict[str, int] = {}
    for placement in target.placements:
        found[placement.offer_id] = found.get(placement.offer_id, 0) + placement.replicas
    return found


def test_takes_the_cheapest_offer_per_token() -> None:
    cheap, dear = offer(usd=0.8), offer(usd=1.0, zone="us-east-1b")
    target = solved(world(offers=[dear, cheap], deployments=[deployment()]))
    assert counts(target) == {cheap.id: 1}
    assert target.node_cost_micro_usd_per_h == micro_usd(0.8)


def test_a_dearer_gpu_wins_when_it_serves_more_per_dollar() -> None:
    small, large = offer(usd=1.0), offer(usd=3.0, accelerator="H100-80GB-SXM")
    shapes = [shape(rate=100), shape(accelerator="H100-80GB-SXM", rate=900)]
    target = solved(world(offers=[small, large], shapes=shapes, deployments=[deployment(tokens_per_s=850)]))
    assert counts(target) == {large.id: 1}


def test_headroom_is_added_to_demand() -> None:
    target = solved(world(offers=[offer()], deployments=[deployment(tokens_per_s=100, headroom=0.2)]))
    assert sum(counts(target).values()) == 2


def test_replicas_share_a_node_when_they_fit() -> None:
    big = offer(count=4, usd=4.0)
    target = solved(world(offers=[big], deployments=[deployment(tokens_per_s=380)]))
    assert counts(target) == {big.id: 4}
    assert target.pools[0].nodes == 1


def test_a_replica_never_straddles_nodes() -> None:
    of = offer(count=4, usd=4.0)
    target = solved(world(offers=[of], shapes=[shape(count=3)], deployments=[deployment(tokens_per_s=190)]))
    assert (counts(target)[of.id], target.pools[0].nodes) == (2, 2)


def test_a_gang_takes_whole_nodes() -> None:
    of = offer(count=4, usd=4.0)
    target = solved(world(offers=[of], shapes=[shape(count=4, nodes=2)], deployments=[deployment()]))
    assert (counts(target)[of.id], target.pools[0].nodes) == (1, 2)


def test_never_more_nodes_than_could_launch() -> None:
    scarce, plenty = offer(usd=0.5), offer(usd=1.0, zone="us-east-1b")
    caps = {scarce.id: LaunchCap(1, 1.0, "1 left")}
    target = solved(world(offers=[scarce, plenty], caps=caps, deployments=[deployment(tokens_per_s=280)]))
    assert counts(target) == {scarce.id: 1, plenty.id: 2}


def test_unknown_stock_is_not_sold_out() -> None:
    assert solved(world(offers=[offer()], deployments=[deployment()])).placements


def test_quota_counts_in_its_own_unit() -> None:
    of = offer(usd=0.5, quota_family="G")
    other = offer(usd=2.0, zone="us-east-1b", name="g5.xlarge")
    quota = Quota("aws", "default", "us-east-1", "G", QuotaUnit.VCPU, 10, (CapacityType.ON_DEMAND,), NOW, used=2)
    target = solved(world(offers=[of, other], quotas=[quota], deployments=[deployment(tokens_per_s=290)]))
    assert counts(target) == {of.id: 2, other.id: 1}
    assert any("quota" in binding.constraint and binding.saving_micro_usd_per_h > 0 for binding in target.bindings)


def test_a_reservation_is_used_first_and_never_beyond_its_size() -> None:
    of = offer(usd=1.0, name="p5")
    held = Reservation("r1", "aws", "default", "us-east-1", of.zone, "p5", 1, micro_usd(0.6), NOW)
    target = solved(world(offers=[of], reservations=[held], deployments=[deployment(tokens_per_s=190)]))
    assert sorted(counts(target).values()) == [1, 1]
    assert target.node_cost_micro_usd_per_h == micro_usd(1.0)


def test_a_capacity_block_outside_its_window_does_not_exist() -> None:
    of = offer(usd=1.0, name="p5")
    held = Reservation("r1", "aws", "default", "us-east-1", of.zone, "p5", 1, 0, NOW, ends_at=NOW - timedelta(hours=1))
    target = solved(world(offers=[of], reservations=[held], deployments=[deployment()]))
    assert counts(target) == {of.id: 1}


def test_residency_of_the_deployment_limits_where_it_runs() -> None:
    us, eu = offer(usd=0.5), offer(usd=1.0, region="eu-central-1")
    clusters = [cluster(), cluster(region="eu-central-1", jurisdiction="DE")]
    target = solved(world(offers=[us, eu], clusters=clusters, deployments=[deployment(rule={"jurisdictions": ("EU",)})]))
    assert counts(target) == {eu.id: 1}
    no = next(reason for reason in target.reasons if reason.offer_id == us.id)
    assert (no.verdict, no.rule) == (Verdict.REJECTED, "jurisdictions")
    assert "US" in no.would_change


def test_residency_of_demand_limits_routing() -> None:
    us, eu = offer(usd=0.5), offer(usd=1.0, region="eu-central-1")
    clusters = [cluster(), cluster(region="eu-central-1", jurisdiction="DE")]
    demand = (Demand("eu", 90, jurisdictions=("EU",)), Demand("us", 90))
    target = solved(world(offers=[us, eu], clusters=clusters, deployments=[deployment(demand=demand)]))
    assert counts(target) == {us.id: 1, eu.id: 1}
    assert {(r.origin, r.pool.split("|")[0]) for r in target.routes} >= {("eu", "aws-eu-central-1")}


def test_survives_the_loss_of_any_provider() -> None:
    aws, gcp = offer(usd=0.5), offer("gcp", "us-central1", usd=1.0)
    clusters = [cluster(), cluster("gcp", "us-central1")]
    rule = {"survivability": Survivability(FailureDomain.PROVIDER, 1.0)}
    target = solved(world(offers=[aws, gcp], clusters=clusters, deployments=[deployment(rule=rule)]))
    assert counts(target) == {aws.id: 1, gcp.id: 1}


def test_spot_stays_under_its_ceiling() -> None:
    spot, firm = offer(usd=0.3, spot=True), offer(usd=1.0)
    target = solved(world(offers=[spot, firm], deployments=[deployment(tokens_per_s=390, rule={"spot_ceiling": 0.5})]))
    assert counts(target) == {spot.id: 2, firm.id: 2}


def test_survives_the_loss_of_the_largest_spot_pool() -> None:
    spot, firm = offer(usd=0.3, spot=True), offer(usd=1.0)
    target = solved(world(offers=[spot, firm], deployments=[deployment(tokens_per_s=200, rule={"spot_loss_share": 0.5})]))
    assert counts(target) == {spot.id: 1, firm.id: 1}


def test_spread_bounds_each_zone() -> None:
    a, b = offer(usd=0.5), offer(usd=1.0, zone="us-east-1b")
    rule = {"spread": Spread(FailureDomain.ZONE, 0.5)}
    target = solved(world(offers=[a, b], deployments=[deployment(tokens_per_s=190, rule=rule)]))
    assert counts(target) == {a.id: 1, b.id: 1}


def test_budget_is_kept_and_the_shortage_is_told() -> None:
    snapshot = world(offers=[offer(usd=1.0)], deployments=[deployment(tokens_per_s=190, budget_micro_usd_per_h=micro_usd(1.2))])
    target = solved(snapshot)
    assert sum(counts(target).values()) == 1
    assert target.unmet[0].tokens_per_s == pytest.approx(90, rel=1e-4)
    error = conflict(snapshot, target)
    assert error is not None
    assert "budget $1.2000/h" in error.conflicts[0]
    assert any("without budget" in remedy for remedy in error.remedies)


def test_scarcity_sheds_the_lowest_priority_first() -> None:
    of = offer()
    caps = {of.id: LaunchCap(2, 1.0, "2 left")}
    both = [deployment("low", 180, priority=10), deployment("high", 180, priority=900)]
    target = solved(world(offers=[of], caps=caps, deployments=both))
    assert {unmet.deployment for unmet in target.unmet} == {"low"}


def test_best_effort_is_served_when_there_is_room_and_never_blocks_others() -> None:
    of = offer()
    both = [deployment("free", 90, best_effort=True), deployment("paid", 90)]
    assert not solved(world(offers=[of], deployments=both)).unmet
    short = solved(world(offers=[of], caps={of.id: LaunchCap(1, 1.0, "1 left")}, deployments=both))
    assert {unmet.deployment for unmet in short.unmet} == {"free"}


def test_running_replicas_stay_when_the_saving_is_smaller_than_the_move() -> None:
    here, there = offer(usd=1.0), offer(usd=0.999, zone="us-east-1b")
    running = node("n1", here, "aws-us-east-1")
    snapshot = world(offers=[here, there], nodes=[running], replicas=[replica("r1", running)], deployments=[deployment()])
    assert counts(solved(snapshot)) == {here.id: 1}


def test_an_interrupted_node_is_not_counted_on() -> None:
    spot, firm = offer(usd=0.3, spot=True), offer(usd=1.0)
    going = node("n1", spot, "aws-us-east-1", state=NodeState.INTERRUPTED)
    caps = {spot.id: LaunchCap(0, 1.0, "stockout")}
    snapshot = world(offers=[spot, firm], caps=caps, nodes=[going], replicas=[replica("r1", going)], deployments=[deployment()])
    assert counts(solved(snapshot)) == {firm.id: 1}


def test_a_draining_cluster_is_emptied_and_a_cordoned_one_keeps_what_it_has() -> None:
    here, there = offer(usd=0.5), offer("gcp", "us-central1", usd=1.0)
    running = node("n1", here, "aws-us-east-1")
    for wanted, expected in ((Schedulability.DRAINING, there.id), (Schedulability.CORDONED, here.id)):
        clusters = [cluster(schedulability=wanted), cluster("gcp", "us-central1")]
        snapshot = world(
            offers=[here, there], clusters=clusters, nodes=[running], replicas=[replica("r1", running)], deployments=[deployment()]
        )
        assert counts(solved(snapshot)) == {expected: 1}


def test_a_suspect_cluster_is_not_replaced() -> None:
    here, there = offer(usd=0.5), offer("gcp", "us-central1", usd=0.1)
    running = node("n1", here, "aws-us-east-1")
    clusters = [cluster(state=ClusterState.SUSPECT), cluster("gcp", "us-central1")]
    snapshot = world(
        offers=[here, there], clusters=clusters, nodes=[running], replicas=[replica("r1", running)], deployments=[deployment()]
    )
    assert counts(solved(snapshot)) == {here.id: 1}


def test_contradicting_rules_are_named_with_what_resolves_them() -> None:
    clusters = [cluster(), cluster("gcp", "us-central1")]
    rule = {"survivability": Survivability(FailureDomain.PROVIDER, 1.0), "providers": ("aws",)}
    snapshot = world(offers=[offer(), offer("gcp", "us-central1")], clusters=clusters, deployments=[deployment(rule=rule)])
    error = conflict(snapshot, solved(snapshot))
    assert error is not None
    assert "providers aws" in error.conflicts[0]
    assert "survivability" in error.conflicts[0]
    assert len(error.remedies) == 2


def test_a_rejected_offer_says_the_price_that_would_win() -> None:
    cheap, dear = offer(usd=0.8), offer(usd=1.0, zone="us-east-1b")
    caps = {cheap.id: LaunchCap(2, 1.0, "2 left")}
    target = solved(world(offers=[cheap, dear], caps=caps, deployments=[deployment()]))
    no = next(reason for reason in target.reasons if reason.offer_id == dear.id)
    assert no.rule == "cost"
    assert "0.8" in no.would_change


def test_the_same_hardware_at_a_higher_price_is_left_out_while_enough_is_in_stock() -> None:
    cheap, dear = offer(usd=0.8), offer(usd=1.0, zone="us-east-1b", name="l4-large")
    target = solved(world(offers=[cheap, dear], deployments=[deployment()]))
    no = next(reason for reason in target.reasons if reason.offer_id == dear.id)
    assert (no.rule, no.would_change) == ("dominated", "a node price below $0.8000/h")


def test_nothing_to_place_is_an_empty_optimal_target() -> None:
    target = solve(world(offers=[offer()]))
    assert (target.status, target.placements, target.objective_micro_usd_per_h) == ("optimal", (), 0)


def test_models_without_measurements_get_modelled_shapes_that_respect_memory() -> None:
    from scheduler.domain.workload import Evidence
    from scheduler.optimizer import with_modelled_shapes
    from tests.builders import model

    offers = [offer(usd=0.5, count=1), offer(usd=20.0, accelerator="H100-80GB-SXM", count=8)]
    snapshot = world(offers=offers, shapes=(), models=[model(parameters_b=70.0)], deployments=[deployment(tokens_per_s=100)])
    augmented = with_modelled_shapes(snapshot)
    assert all(s.evidence is Evidence.MODELLED for s in augmented.shapes)
    assert min(s.accelerators_per_node for s in augmented.shapes if s.accelerator.startswith("H100")) >= 2
    assert counts(solved(augmented)) == {offers[1].id: 1}
