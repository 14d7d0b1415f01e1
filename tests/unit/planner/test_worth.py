from __future__ import annotations

import pytest

from scheduler.planner.worth import worth
from tests.builders import move

MIGRATION = move("m", old="a", new="b")


@pytest.mark.parametrize(("saving", "passes"), [(249, False), (250, True), (900, True)])
def test_moving_half_of_the_fleet_must_save_a_quarter_of_its_cost(saving: int, passes: bool) -> None:
    verdict = worth((MIGRATION,), 2, 1000, 1000 - saving, (), 0.5)
    assert verdict.passes is passes
    assert verdict.score == pytest.approx((saving / 1000) / 0.5)


def test_a_no_names_the_saving_that_would_make_it_a_yes() -> None:
    verdict = worth((MIGRATION,), 4, 8_000_000, 7_500_000, (), 0.5)
    assert not verdict.passes
    assert "it would pass at a saving of $1.0000/h" in verdict.text


def test_what_is_necessary_passes_whatever_it_costs() -> None:
    verdict = worth((MIGRATION,), 1, 1000, 9000, ("its node is being reclaimed",), 0.5)
    assert verdict.passes
    assert verdict.forced
    assert "its node is being reclaimed" in verdict.text


def test_moving_nothing_that_serves_needs_no_gain() -> None:
    assert worth((move("m", new="b"),), 3, 1000, 2000, (), 0.5).passes
    assert worth((), 3, 1000, 500, (), 0.5).passes


def test_a_move_that_saves_nothing_is_refused() -> None:
    assert not worth((MIGRATION,), 1, 1000, 1000, (), 0.5).passes
    assert not worth((MIGRATION,), 1, 0, 0, (), 0.5).passes
