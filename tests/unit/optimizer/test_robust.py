"""What a fleet must withstand: capacity that is not there when asked for, and demand that grows."""

from __future__ import annotations

from dataclasses import replace

from scheduler.domain.plan import Target
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import Robust
from scheduler.optimizer import check, solve, with_robust
from tests.builders import cluster, deployment, node, offer, replica, shape, world

HERE, THERE = offer(usd=1.0), offer("gcp", "europe-west4", usd=1.5)


def fleet(robust: Robust, **more: object) -> Snapshot:
    wanted = deployment(tokens_per_s=200, headroom=0.0)
    parts = {"offers": [HERE, THERE], "clusters": [cluster(), cluster("gcp", "europe-west4")], "shapes": [shape(rate=100)]}
    return with_robust(world(**parts, deployments=[wanted], robust=robust, **more))


def placed(target: Target) -> dict[str, int]:
    return {each.cluster: each.replicas for each in target.placements}


def test_half_is_served_though_one_group_that_is_still_to_be_launched_is_not_there() -> None:
    target = solve(fleet(Robust(stockout_share=0.5)))
    assert placed(target) == {"aws-us-east-1": 1, "gcp-europe-west4": 1}
    assert placed(solve(fleet(Robust()))) == {"aws-us-east-1": 2}
    assert not check(fleet(Robust(stockout_share=0.5)), target)


def test_the_checker_refuses_a_plan_that_hangs_on_one_group() -> None:
    violations = check(fleet(Robust(stockout_share=0.5)), solve(fleet(Robust())))
    assert {violation.rule for violation in violations} == {"stockout_share"}


def test_what_runs_already_is_not_lost_to_a_stockout() -> None:
    runs = node("n1", HERE, "aws-us-east-1")
    snapshot = fleet(Robust(stockout_share=0.5), nodes=[runs], replicas=[replica("r1", runs)])
    assert placed(solve(snapshot)) == {"aws-us-east-1": 2}
    assert not check(snapshot, solve(snapshot))


def test_growth_takes_the_place_of_a_smaller_headroom() -> None:
    assert placed(solve(fleet(Robust(demand_growth=0.5)))) == {"aws-us-east-1": 3}
    roomy = fleet(Robust())
    roomy = replace(roomy, deployments=tuple(replace(d, headroom=1.0) for d in roomy.deployments), robust=Robust(demand_growth=0.5))
    assert placed(solve(with_robust(roomy))) == {"aws-us-east-1": 4}
