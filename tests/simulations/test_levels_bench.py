"""The levels of the optimizer on a problem of a dozen deployments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulations.bench import levels
from simulations.bench.command import command
from simulations.bench.generate.profile import PROFILES, Request
from simulations.bench.levels_report import write

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


def test_the_report_holds_the_figures_and_a_plot_of_growth(tmp_path: Path) -> None:
    base = Request(3, 5, 12, 1, PROFILES["hard"], None, False)
    figures = {"levels": levels.levels([base], [1.0]), "growth": levels.growth(base, 2.0, [(3, 5, 4), (3, 5, 12)])}
    write(figures, tmp_path)
    page = (tmp_path / "optimizer-levels.md").read_text()
    assert "| 1 s |" in page
    assert "| lost cluster |" in page
    assert "| 3 x 5 | 12 |" in page
    assert (tmp_path / "optimizer-growth.svg").read_text().count("<circle") == 2
