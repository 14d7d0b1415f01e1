"""Over random fleets: one deployment decided at once keeps every rule beside the others, and is told at what it really adds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.domain.plan import Placement
from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer import SolveSettings, check, solve_large
from scheduler.optimizer.decompose.online import Placed, Standby
from tests.property.test_random_fleets import fleets

LARGE = SolveSettings(explain=False, time_limit_s=5, rounds=2, whole_max=0)
QUIET = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@QUIET
@given(fleets(), st.integers(0, 10_000))
def test_a_newcomer_keeps_every_rule_beside_the_others(snapshot: Snapshot, pick: int) -> None:
    new = snapshot.deployments[pick % len(snapshot.deployments)]
    others = replace(snapshot, deployments=tuple(each for each in snapshot.deployments if each is not new))
    target, solved = solve_large(others, LARGE)
    placed = Standby.after(solved).place(new)
    if placed.unserved_share == 0:
        # The same placement among the others, judged by the independent checker.
        joint, _ = solve_large(_pinned(snapshot, (*target.placements, *_placements(placed))), LARGE)
        assert not [each for each in joint.unmet if each.deployment == new.id]
        assert not check(_pinned(snapshot, (*target.placements, *_placements(placed))), joint)
    else:
        assert placed.unserved_share <= 1


@QUIET
@given(fleets(), st.integers(0, 10_000))
def test_an_unchanged_deployment_stays_and_adds_nothing(snapshot: Snapshot, pick: int) -> None:
    target, solved = solve_large(snapshot, LARGE)
    if not solved.complete:
        return
    same = snapshot.deployments[pick % len(snapshot.deployments)]
    placed = Standby.after(solved).place(same)
    now = sum(each.replicas for each in target.placements if each.deployment == same.id)
    assert placed.unserved_share == 0
    assert placed.added_micro_usd_per_h <= 10
    assert now == 0 or sum(spot.replicas for spot in placed.spots) > 0


def _placements(placed: Placed) -> tuple[Placement, ...]:
    return tuple(
        Placement(placed.deployment, spot.shape, f"{spot.cluster}|{spot.offer_id}", spot.cluster, spot.offer_id, spot.replicas)
        for spot in placed.spots
    )


def _pinned(snapshot: Snapshot, placements: tuple[Placement, ...]) -> Snapshot:
    """The same world where every deployment may use only the offers and accelerators it was given."""
    own: dict[str, set[str]] = {}
    for each in placements:
        own.setdefault(each.deployment, set()).add(each.cluster)
    deployments = tuple(
        replace(each, rules=replace(each.rules, clusters=tuple(sorted(own[each.id])))) if own.get(each.id) else each
        for each in snapshot.deployments
    )
    return replace(snapshot, deployments=deployments)
