"""Over random fleets: the decomposition keeps every rule, its bound never passes the optimum, and its cost never undercuts it."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.optimizer import SolveSettings, check, solve, solve_large
from scheduler.optimizer.decompose.cover import cover
from scheduler.optimizer.decompose.cuts import strengthen
from tests.property.test_random_fleets import fleets

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
TOLERANCE = 1e-6


@QUIET
@given(fleets())
def test_bound_and_cost_enclose_the_optimum_and_no_rule_is_broken(snapshot) -> None:
    whole = solve(snapshot, SolveSettings(explain=False, relative_gap=1e-7))
    target, solved = solve_large(snapshot, SolveSettings(explain=False, time_limit_s=5, rounds=4))
    assert not check(snapshot, target)
    assert {pool.id for pool in solved.fleet.pools} <= set(solved.certificate.pools)
    if whole.status == "optimal" and not whole.unmet:
        assert solved.bound <= whole.objective_micro_usd_per_h / 1e6 * (1 + TOLERANCE) + TOLERANCE
        if not target.unmet:
            assert target.objective_micro_usd_per_h >= whole.bound_micro_usd_per_h * (1 - TOLERANCE) - 10


@st.composite
def questions(draw: st.DrawFn):
    """A few covering rows, a loss to survive, a ceiling, and small counts."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    a, b = rng.uniform(0, 3, (m, n)) * (rng.random((m, n)) < 0.8), rng.uniform(1, 6, m)
    covering, losses = np.ones(m, np.bool_), []
    if rng.random() < 0.6:
        domain, rate, wish = rng.integers(-1, 3, n), rng.uniform(0.3, 3, n), float(rng.uniform(1, 5))
        rows = [np.where(domain == k, 0.0, rate) for k in np.unique(domain[domain >= 0])]
        a, b = np.vstack([a, *rows]), np.concatenate([b, [wish] * len(rows)])
        covering, losses = np.ones(len(b), np.bool_), [(rate, wish, domain)]
    if rng.random() < 0.5:
        share = rng.choice([0.3, 0.5, 0.7])
        a, b, covering = np.vstack([a, np.where(rng.random(n) < 0.5, share - 1, share)]), np.append(b, 0.0), np.append(covering, False)
    c, u = rng.uniform(0.5, 2, n), rng.integers(1, 5, n).astype(np.int64)
    return a, b, covering, losses, c, u, float(rng.choice([5.0, 20.0, 1000.0]))


@settings(max_examples=300, deadline=None)
@given(questions())
def test_one_block_is_solved_exactly(question) -> None:
    a, b, covering, losses, c, u, give_up = question
    e = np.maximum(b, 0.0)[:, None].copy()
    rows, elastic, wish, _ = strengthen(a, e, b, covering, losses)
    groups = np.zeros((1, len(c)), np.int64)
    bound, cost, x, y, _ = cover(rows, elastic, wish, len(b), c, np.array([give_up]), u, groups, np.inf, 5_000)
    best = min(_cost(a, b, c, give_up, np.array(x)) for x in itertools.product(*(range(most + 1) for most in u)))
    assert cost <= best + TOLERANCE
    assert best - TOLERANCE <= bound <= best + TOLERANCE
    assert abs(c @ x + give_up * y[0] - cost) < TOLERANCE


def _cost(a, b, c, give_up: float, x) -> float:
    """Cost of x with the least share given up that covers the rest; infinite where none does."""
    share = 0.0
    for row, right in zip(a, b, strict=True):
        left = right - row @ x
        if left > 1e-9 * (1 + abs(right)):
            share = max(share, left / right if right > 0 else np.inf)
    return float(c @ x + give_up * share) if share <= 1 else float("inf")
