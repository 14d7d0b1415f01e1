"""``headrace optimize``: a placement problem from a file, without a control plane."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_commands import headrace

EXAMPLE = Path(__file__).parents[3] / "docs" / "problem.json"


def test_the_example_is_solved_checked_and_told(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    done = headrace("optimize", str(EXAMPLE), "--json", "--plan", str(plan), data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads(plan.read_text())
    assert (told["format"], told["version"], told["status"], told["unmet"], told["violations"]) == ("headrace-plan", 1, "optimal", [], [])
    assert told["cost"]["total_micro_usd_per_h"] == sum(term["micro_usd_per_h"] for term in told["cost"]["terms"])
    assert 0 < told["bound_micro_usd_per_h"] <= told["cost"]["total_micro_usd_per_h"]
    assert set(told["times_ms"]) >= {"read", "solve", "check"}


def test_people_get_a_table_with_cost_by_term_bound_and_gap(tmp_path: Path) -> None:
    done = headrace("optimize", str(EXAMPLE), data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "proven to be at least" in done.stdout
    assert "nebius-finland" in done.stdout


def test_unmet_demand_ends_with_one(tmp_path: Path) -> None:
    document = json.loads(EXAMPLE.read_text())
    document["deployments"][1]["demand"][0]["tokens_per_s"] = 1e6
    file = tmp_path / "big.json"
    file.write_text(json.dumps(document))
    done = headrace("optimize", str(file), data_dir=tmp_path)
    assert done.returncode == 1
    assert "unmet" in done.stdout


def test_bad_input_ends_with_two_and_names_every_wrong_field(tmp_path: Path) -> None:
    document = json.loads(EXAMPLE.read_text())
    document["deployments"][1]["demand"][0]["tokens_per_s"] = 1e15
    document["shapes"][0]["accelerators"] = 2
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(document))
    done = headrace("optimize", str(file), data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "deployments[1].demand[0].tokens_per_s" in done.stderr
    assert "Did you mean accelerator" in done.stderr
    assert headrace("optimize", str(tmp_path / "none.json"), data_dir=tmp_path).returncode == 2
    assert headrace("optimize", data_dir=tmp_path).returncode == 2


def test_the_form_is_published(tmp_path: Path) -> None:
    done = headrace("optimize", "--schema", data_dir=tmp_path)
    assert done.returncode == 0
    assert "deployments" in json.loads(done.stdout)["properties"]


def test_an_export_needs_a_control_plane(tmp_path: Path) -> None:
    done = headrace("optimize", "--export", str(tmp_path / "x.json"), data_dir=tmp_path, HEADRACE_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "headrace demo" in done.stderr


def test_a_generated_problem_is_written_with_its_figures(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    size = ("--clouds", "3", "--clusters", "5", "--deployments", "12")
    done = headrace("bench", "generate", *size, "--out", str(file), data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stderr)["median_replicas"] >= 1
    assert headrace("bench", "generate", *size, data_dir=tmp_path).stdout == file.read_text()


def test_a_what_if_tells_both_problems_side_by_side(tmp_path: Path) -> None:
    done = headrace("optimize", str(EXAMPLE), "--what-if", "demand * +10%", "--json", data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["cost"]["total_micro_usd_per_h"] == told["what_if"]["cost_after_micro_usd_per_h"]
    assert (told["violations"], told["conflicts"], told["what_if"]["questions"]) == ([], [], ["demand * +10%"])
    plain = json.loads(headrace("optimize", str(EXAMPLE), "--json", data_dir=tmp_path).stdout)
    assert plain["cost"]["total_micro_usd_per_h"] == told["what_if"]["cost_before_micro_usd_per_h"]
    assert "what_if" not in plain


def test_a_what_if_that_is_none_ends_with_two(tmp_path: Path) -> None:
    done = headrace("optimize", str(EXAMPLE), "--what-if", "loose provider:aws", data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Write lose provider:NAME" in done.stderr


def test_a_what_if_of_nothing_that_is_solved_is_an_error(tmp_path: Path) -> None:
    for arguments in (("--schema",), ("--export", str(tmp_path / "fleet.json"))):
        done = headrace("optimize", *arguments, "--what-if", "price h100 +20%", data_dir=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"asks nothing of {arguments[0]}" in done.stderr


def test_moves_are_spread_over_the_stated_hours_and_the_verifier_agrees(tmp_path: Path) -> None:
    file, plan, proof = (tmp_path / name for name in ("p.json", "plan.json", "proof.json"))
    found = []
    for hours in (24.0, 6.0):
        document = json.loads(EXAMPLE.read_text())
        # The verifier knows only shapes that the document states.
        document |= {"deployments": document["deployments"][1:], "settings": {"amortisation_h": hours}}
        file.write_text(json.dumps(document))
        done = headrace("optimize", str(file), "--json", "--plan", str(plan), "--certificate", str(proof), data_dir=tmp_path)
        assert done.returncode == 0, done.stderr
        found.append({term["name"]: term for term in json.loads(done.stdout)["cost"]["terms"]}["moves"])
        judged = headrace("verify", str(file), str(plan), str(proof), data_dir=tmp_path)
        assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "spread over 6 h" in found[1]["text"]
    assert found[1]["micro_usd_per_h"] > 3 * found[0]["micro_usd_per_h"] > 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"demand": [{"tokens_per_s": 100, "jurisdictions": ["JP"]}]}, "the residency of its demand"),
        ({"rules": {"providers": ["awz"]}}, "providers awz"),
        ({"rules": {"spread": {"domain": "provider", "max_share": 0.1}}}, "spread (at most 10% per provider)"),
        ({"budget_micro_usd_per_h": 0}, "budget $0.0000/h"),
        ({"demand": [{"tokens_per_s": 100, "bucket": "9999x1"}], "model": "other"}, "no offer in any open cluster serves it at all"),
    ],
)
def test_what_cannot_be_served_is_told_with_the_rules_that_conflict(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    document = json.loads(EXAMPLE.read_text())
    document["models"].append({"id": "other", "parameters_b": 8})
    document["shapes"] += [{**document["shapes"][0], "id": "other/short", "model": "other", "tokens_per_s": {"short": 100}}]
    document["deployments"] = [document["deployments"][1] | change]
    file = tmp_path / "infeasible.json"
    file.write_text(json.dumps(document))
    done = headrace("optimize", str(file), "--json", data_dir=tmp_path)
    assert done.returncode == 1, done.stderr
    assert reason in json.loads(done.stdout)["conflicts"][0]
