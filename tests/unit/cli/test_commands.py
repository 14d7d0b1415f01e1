"""The command line reads well, and its errors are one line with an exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from scheduler.cli.main import build

HEADRACE = str(Path(sys.executable).parent / "headrace")


def headrace(*arguments: str, data_dir: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    env = kept | {"HEADRACE_DATA_DIR": str(data_dir)} | environ
    return subprocess.run([HEADRACE, *arguments], env=env, capture_output=True, text=True, timeout=120, check=False)


def test_every_command_explains_itself() -> None:
    def walk(command: object, path: str) -> list[str]:
        children = getattr(command, "commands", {})
        silent = [path] if not (getattr(command, "help", "") or "").strip() else []
        return silent + [found for name, child in children.items() for found in walk(child, f"{path} {name}")]

    root = typer.main.get_command(build())
    names = set(getattr(root, "commands", {}))
    assert names >= {
        "demo", "serve", "agent", "edge", "db", "providers", "offers", "clusters", "deployments", "plan", "apply", "explain", "optimize",
        "rebalance", "drain", "cordon", "uncordon", "simulate", "market", "status", "margin", "events", "keys", "bench",
    }  # fmt: skip
    assert walk(root, "headrace") == []


def test_without_a_control_plane_the_error_is_one_line_that_says_how_to_start_one(tmp_path: Path) -> None:
    done = headrace("offers", data_dir=tmp_path, HEADRACE_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "headrace demo" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_fleet_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = headrace("plan", "-f", str(tmp_path / "nope.yaml"), data_dir=tmp_path)
    assert done.returncode == 1
    assert "nope.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_is_wrong_is_named(tmp_path: Path) -> None:
    config = tmp_path / "headrace.yaml"
    config.write_text("prot: 8600\n")
    done = headrace("serve", "--config", str(config), data_dir=tmp_path)
    assert done.returncode == 1
    assert "prot" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fleet_is_planned_without_a_control_plane(tmp_path: Path) -> None:
    example = Path(__file__).parents[3] / "docs" / "fleet.yaml"
    done = headrace("plan", "-f", str(example), data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "gap 0.000%" in done.stdout
    assert "per month" in done.stdout


def test_a_wrong_fleet_file_lists_every_wrong_field(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("deployments: [{id: a, model: m, demand: [{origin: us, tokens_per_s: 1}], replica: 3, slo: {ttft: 1}}]\n")
    done = headrace("plan", "-f", str(file), data_dir=tmp_path)
    assert done.returncode == 1
    assert "deployments[0].replica" in done.stderr
    assert "Did you mean ttft_ms?" in done.stderr


@pytest.mark.parametrize("arguments", [("simulate", "list"), ("--version",)])
def test_quick_answers(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert headrace(*arguments, data_dir=tmp_path).returncode == 0


def test_a_what_if_is_answered_without_a_control_plane(tmp_path: Path) -> None:
    example = str(Path(__file__).parents[3] / "docs" / "fleet.yaml")
    done = headrace("plan", "-f", example, "--what-if", "price l4 +20%", "--what-if", "lose provider:aws", "--json", data_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)["what_if"]
    assert answer["questions"] == ["price l4 +20%", "lose provider:aws"]
    assert answer["cost_after_micro_usd_per_h"] > answer["cost_before_micro_usd_per_h"] > 0
    assert {each["cluster"]: each["after"] for each in answer["shifts"]}["aws-virginia"] == 0
    short = headrace("plan", "-f", example, "--what-if", "lose provider:gcp", "--what-if", "lose provider:azure", data_dir=tmp_path)
    assert short.returncode == 1
    assert "these deployments cannot be met: assistant" in short.stdout
    assert "conflict assistant:" in short.stdout
    assert "remedy assistant:" in short.stdout


def test_a_what_if_about_nothing_there_says_what_was_meant(tmp_path: Path) -> None:
    example = str(Path(__file__).parents[3] / "docs" / "fleet.yaml")
    done = headrace("plan", "-f", example, "--what-if", "lose provider:awz", data_dir=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "what_if[0]" in done.stderr
    assert "Did you mean aws?" in done.stderr
