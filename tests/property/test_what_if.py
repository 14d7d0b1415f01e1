"""Over random fleets: whatever is supposed, the plan passes the independent checker; changes by nothing change nothing."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.domain.lifecycle import ClusterState
from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer import SolveSettings, check, solve, what_if
from scheduler.optimizer.conflict import rules_of
from scheduler.optimizer.question import RELAXABLE
from tests.property.test_random_fleets import fleets

QUIET = SolveSettings(explain=False)


def askable(snapshot: Snapshot) -> list[str]:
    """Every kind of question about what this fleet has."""
    asked = ["price h100 +20%", "price l4 -35%", "demand * x2", "demand m -50%"] if snapshot.offers else []
    asked = [text for text in asked if not text.startswith("price") or text.split()[1] in _families(snapshot)]
    for cluster in snapshot.clusters:
        asked += [f"lose provider:{cluster.provider}", f"lose region:{cluster.provider}:{cluster.region}", f"lose cluster:{cluster.id}"]
    for offer in snapshot.offers:
        asked += [f"lose zone:{offer.provider}:{offer.region}:{offer.zone}", f"stock {offer.id} =0", f"stock {offer.id} +4"]
        asked += [f"price offer:{offer.id} 3.20", f"price provider:{offer.provider} -10%"]
    asked += [f"quota {quota.id} {change}" for quota in snapshot.quotas for change in ("+8", "=1", "-4")]
    for deployment in snapshot.deployments:
        stated = {{"jurisdictions": "residency", "demand residency": "residency"}.get(rule, rule) for rule in rules_of(deployment)}
        asked += [f"without {deployment.id}: {rule}" for rule in RELAXABLE if rule in stated]
    return asked


def _families(snapshot: Snapshot) -> set[str]:
    return {offer.instance_type.accelerator.split("-")[0].lower() for offer in snapshot.offers}


@given(fleets(), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_plan_of_a_changed_fleet_passes_the_independent_checker(snapshot: Snapshot, data: st.DataObject) -> None:
    possible = [text for text in askable(snapshot) if not text.startswith("without")]
    rules = [text for text in askable(snapshot) if text.startswith("without")]
    asked = [*data.draw(st.lists(st.sampled_from(possible), min_size=1, max_size=3)), data.draw(st.sampled_from(rules))]
    changed = what_if(snapshot, asked)
    target = solve(changed, QUIET)
    assert check(changed, target) == ()
    lost = {cluster.id for cluster in changed.clusters if cluster.state is ClusterState.LOST}
    assert not [each for each in target.placements if each.cluster in lost]
    assert not [node for node in changed.nodes if node.cluster in lost]


@given(fleets())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_changes_by_nothing_change_nothing(snapshot: Snapshot) -> None:
    nothing = [f"price {family} +0%" for family in sorted(_families(snapshot))] + ["price provider:aws -0%", "demand * +0%", "demand m x1"]
    assert what_if(snapshot, nothing) == snapshot


@given(fleets())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_nothing_stays_with_a_provider_that_is_lost(snapshot: Snapshot) -> None:
    target = solve(what_if(snapshot, ["lose provider:gcp"]), QUIET)
    assert not [each for each in target.placements if each.offer_id.startswith("gcp/")]
    assert not [pool for pool in target.pools if pool.offer_id.startswith("gcp/") and pool.nodes]
