"""The house rules, as tests: lint, types, layers, and what must not be in the tree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*argv: str) -> None:
    done = subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_ruff_finds_nothing() -> None:
    run("ruff", "check", ".")


def test_everything_is_formatted() -> None:
    run("ruff", "format", "--check", ".")


def test_types_are_strict() -> None:
    run("mypy")


def test_rooms_import_only_what_they_may() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def test_no_lock_file_with_hosts_and_no_binary_is_tracked() -> None:
    names = {path.name for path in tracked()}
    assert not names & {"uv.lock", "pylock.toml", "poetry.lock", "package-lock.json"}
    assert not [path for path in tracked() if path.suffix in {".gguf", ".so", ".whl", ".xz", ".zip", ".db"}]


def test_no_unfinished_marks() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    sources = [path for path in tracked() if path.suffix == ".py" and path != Path(__file__)]
    assert not [f"{path}: {line}" for path in sources for line in path.read_text().splitlines() if marks.search(line)]


def test_every_room_says_what_it_is_for() -> None:
    rooms = [path for path in tracked() if path.name == "__init__.py" and "tests" not in path.parts]
    assert not [path for path in rooms if not path.read_text().lstrip().startswith('"""')]
