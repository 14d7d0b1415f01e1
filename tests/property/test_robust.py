"""Over random fleets: plans that must withstand a stockout and growth do, and all who solve and judge agree on their cost."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.api.placement_document import PlacementProblem
from scheduler.api.placement_write import text_of
from scheduler.api.plan_document import plan_document
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import Robust
from scheduler.optimizer import SolveSettings, check, solve, solve_large, with_robust
from scheduler.verifier import verify
from tests.property.test_random_fleets import fleets

QUIET = SolveSettings(explain=False, relative_gap=1e-7)
LARGE = SolveSettings(explain=False, time_limit_s=5, rounds=4)
robust = st.builds(Robust, st.sampled_from((0.3, 0.5, 1.0)), st.sampled_from((0.0, 0.5)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(fleets(), robust)
def test_all_who_solve_and_judge_agree_on_what_is_withstood(fleet: Snapshot, asked: Robust) -> None:
    stated = replace(fleet, robust=asked)
    text, snapshot = text_of(PlacementProblem(stated)), with_robust(stated)
    whole = solve(snapshot, QUIET)
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
        # Asking for more never makes a plan cheaper.
        plain = solve(fleet, QUIET)
        assert plain.unmet or plain.objective_micro_usd_per_h <= whole.objective_micro_usd_per_h * (1 + 1e-6) + 10
