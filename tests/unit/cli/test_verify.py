"""``headrace verify``: exit code 0 verified, 1 not, 2 bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.documents import certificate, offer, plan, pool, problem

L4X1 = "m/L4-24GB-PCIex1"


def run(folder: Path, *documents: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    paths = []
    for index, document in enumerate(documents):
        paths.append(folder / f"{index}.json")
        paths[-1].write_text(json.dumps(document))
    return subprocess.run(
        [sys.executable, "-m", "scheduler.cli", "verify", *map(str, paths), "--json"], capture_output=True, text=True, check=False
    )


def test_exit_codes_tell_verified_refused_and_bad_input(tmp_path: Path) -> None:
    home = pool(offer())
    good = plan(problem(), {("d", home, L4X1): 2}, {home: 2})
    done = run(tmp_path, problem(), good, certificate({home: 1_000_000}))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gap"] == 0
    refused = run(tmp_path, problem(), plan(problem(), {("d", home, L4X1): 1}, {home: 1}))
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["violations"][0]["rule"] == "demand"
    bad = run(tmp_path, problem() | {"surprise": 1}, good)
    assert bad.returncode == 2
    assert "problem: unknown field surprise" in bad.stderr
