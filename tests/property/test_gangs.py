"""Over random fleets with replicas on two whole nodes: both ways to solve, the checker and the verifier agree."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.api.placement_document import PlacementProblem
from scheduler.api.placement_write import text_of
from scheduler.api.plan_document import plan_document
from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer import SolveSettings, check, solve, solve_large
from scheduler.verifier import verify
from tests.builders import shape
from tests.property.test_random_fleets import GPUS, fleets

QUIET = SolveSettings(explain=False, relative_gap=1e-7)
LARGE = SolveSettings(explain=False, time_limit_s=5, rounds=4)


@st.composite
def with_gangs(draw: st.DrawFn) -> Snapshot:
    snapshot = draw(fleets())
    gangs = tuple(
        shape(accelerator=gpu, count=count, rate=draw(st.sampled_from((220, 900, 3200))), nodes=2, id=f"m/{gpu}x{count}on2")
        for gpu in GPUS
        for count in (1, 2, 4)
    )
    # Without the other shapes of a card a gang is the only way on it.
    kept = tuple(each for each in snapshot.shapes if draw(st.booleans()) or any(r.shape == each.id for r in snapshot.replicas))
    return replace(snapshot, shapes=(*kept, *gangs))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(with_gangs())
def test_gangs_are_solved_checked_and_verified_in_both_ways(snapshot: Snapshot) -> None:
    text, whole = text_of(PlacementProblem(snapshot)), solve(snapshot, QUIET)
    target, solved = solve_large(snapshot, LARGE)
    for each, proof in ((whole, None), (target, json.dumps(solved.certificate.as_document()))):
        assert not check(snapshot, each)
        judged = verify(text, json.dumps(plan_document(each, (), {})), proof)
        assert each.unmet or judged.verified, judged.violations
        assert judged.bound is None or judged.bound.total <= judged.total
    if whole.status == "optimal" and not whole.unmet:
        assert solved.bound <= whole.objective_micro_usd_per_h / 1e6 * (1 + 1e-6) + 1e-6
        if not target.unmet:
            assert target.objective_micro_usd_per_h >= whole.bound_micro_usd_per_h * (1 - 1e-6) - 10
