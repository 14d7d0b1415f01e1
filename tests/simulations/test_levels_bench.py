"""The levels of the optimizer on a problem of a dozen deployments."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from simulations.bench.command import command

SIZE = "3x5x12"


def test_a_small_problem_is_solved_judged_and_compared() -> None:
    done = CliRunner().invoke(command, ["placement", "--size", SIZE, "--seconds", "2", "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert figures["demo"]["violations"] == 0
    level = figures["levels"][f"hard {SIZE}"]
    solved = level["2 s"]
    assert (level["deployments"], level["clusters"]) == (12, 5)
    assert (solved["violations"], solved["unmet"], solved["verified"]) == (0, 0, True)
    assert 0 < solved["bound_usd_per_h"] <= solved["usd_per_h"]
    assert 0 < solved["verified_bound_usd_per_h"] <= solved["usd_per_h"]
    assert 0 <= solved["gap"] < 1
    assert solved["cost_ratio_to_peer"] > 0
    assert 0 < solved["online"]["p50_ms"] <= solved["online"]["p99_ms"]
    assert set(solved["changes"]) == {"price", "demand", "stockout", "lost cluster"}
    assert all(each["violations"] == 0 for each in solved["changes"].values())
    assert set(solved["times_s"]) == {"build", "start", "bound", "construct", "improve"}


@pytest.mark.parametrize("size", ["18x87", "2x5x12", "3x5x9999", "axbxc"])
def test_a_size_that_cannot_be_made_is_refused(size: str) -> None:
    done = CliRunner().invoke(command, ["placement", "--size", size])
    assert done.exit_code == 2
    assert size in done.output
