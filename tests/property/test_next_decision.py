"""Over random fleets and changes: the decision after the last one keeps every rule, and moves nothing where nothing changed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.optimizer import SolveSettings, check, solve_large, solve_next
from tests.property.test_random_fleets import fleets

LARGE = SolveSettings(explain=False, time_limit_s=5, rounds=3, whole_max=0)
QUIET = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@QUIET
@given(fleets())
def test_without_a_change_nothing_moves(snapshot: Snapshot) -> None:
    first, solved = solve_large(snapshot, LARGE)
    second, _ = solve_next(snapshot, LARGE, solved)
    if solved.complete:
        assert (second.placements, second.pools) == (first.placements, first.pools)


@QUIET
@given(fleets(), st.integers(0, 10_000), st.sampled_from(("price", "demand", "stockout")))
def test_after_a_change_every_rule_is_kept_and_the_bound_stays_below(snapshot: Snapshot, pick: int, what: str) -> None:
    _, solved = solve_large(snapshot, LARGE)
    changed = _changed(snapshot, pick, what)
    target, then = solve_next(changed, LARGE, solved)
    assert check(changed, target) == ()
    assert then is not None
    fresh, _ = solve_large(changed, LARGE)
    if not target.unmet and not fresh.unmet:
        assert target.bound_micro_usd_per_h <= fresh.objective_micro_usd_per_h * (1 + 1e-6) + 10


def _changed(snapshot: Snapshot, pick: int, what: str) -> Snapshot:
    offer = snapshot.offers[pick % len(snapshot.offers)]
    if what == "price":
        dearer = replace(offer, price_micro_usd_per_h=offer.price_micro_usd_per_h * 2)
        return replace(snapshot, offers=tuple(dearer if each is offer else each for each in snapshot.offers))
    if what == "stockout":
        return replace(snapshot, caps={**snapshot.caps, offer.id: LaunchCap(0, 0.9, "sold out")})
    wish = snapshot.deployments[pick % len(snapshot.deployments)]
    more = replace(wish, demand=tuple(replace(each, tokens_per_s=each.tokens_per_s * 1.5) for each in wish.demand))
    return replace(snapshot, deployments=tuple(more if each is wish else each for each in snapshot.deployments))
