"""Over random fleets with external endpoints: whole solve, decomposition, checker and verifier agree on what they may take and cost."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.api.placement_document import PlacementProblem
from scheduler.api.placement_write import text_of
from scheduler.api.plan_document import plan_document
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import ExternalEndpoint, PriceBook
from scheduler.optimizer import SolveSettings, check, solve, solve_large, with_endpoints
from scheduler.verifier import verify
from tests.property.test_random_fleets import fleets

QUIET = SolveSettings(explain=False, relative_gap=1e-7)
LARGE = SolveSettings(explain=False, time_limit_s=5, rounds=4)
BUCKETS = ("all", "1024x1024", "8192x1024")


@st.composite
def with_some(draw: st.DrawFn) -> Snapshot:
    found = []
    for index in range(draw(st.integers(1, 2))):
        price = PriceBook(draw(st.sampled_from((0, 200_000, 3_000_000))), draw(st.sampled_from((0, 600_000, 15_000_000))))
        most, part = draw(st.sampled_from((None, 30.0, 250.0))), draw(st.sampled_from((50.0, 100.0)))
        law = draw(st.sampled_from(("US", "NL", "")))
        found.append(ExternalEndpoint(f"e{index}", "m", "https://e.example", law, price, most, part))
    snapshot, bucket = draw(fleets()), draw(st.sampled_from(BUCKETS))
    wants = []
    for each in snapshot.deployments:
        demand = tuple(replace(d, bucket=bucket if index else "all") for index, d in enumerate(each.demand))
        named = draw(st.sampled_from(((), (), ("aws",), ("aws", "endpoint:e0"))))
        wants.append(replace(each, demand=demand, rules=replace(each.rules, providers=named)))
    return replace(snapshot, endpoints=tuple(found), deployments=tuple(wants), amortisation_h=draw(st.sampled_from((24.0, 3.0))))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(with_some())
def test_all_who_solve_and_judge_agree_on_endpoints(stated: Snapshot) -> None:
    text, snapshot = text_of(PlacementProblem(stated)), with_endpoints(stated)
    whole = solve(snapshot, QUIET)
    target, solved = solve_large(snapshot, LARGE)
    proof = json.dumps(solved.certificate.as_document())
    # The whole solve proves its bound by itself, without a certificate.
    for each, multipliers in ((whole, None), (target, proof)):
        assert not check(snapshot, each)
        judged = verify(text, json.dumps(plan_document(each, (), {})), multipliers)
        assert judged.cost is not None
        assert judged.bound is None or judged.bound.total <= judged.total
        assert each.unmet or judged.verified, judged.violations
        assert judged.total == each.objective_micro_usd_per_h
    # A deployment that names providers goes to no endpoint that it does not name.
    for placed in (*whole.placements, *target.placements):
        named = next(d for d in snapshot.deployments if d.id == placed.deployment).rules.providers
        assert not placed.cluster.startswith("endpoint:") or not named or placed.cluster in named
    if whole.status == "optimal" and not whole.unmet:
        assert solved.bound <= whole.objective_micro_usd_per_h / 1e6 * (1 + 1e-6) + 1e-6
        if not target.unmet:
            assert target.objective_micro_usd_per_h >= whole.bound_micro_usd_per_h * (1 - 1e-6) - 10
