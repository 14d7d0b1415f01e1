"""``headrace providers kinds`` and ``add``: they name what is missing, write what was given, and show no secret."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.bootstrap.settings import load_settings

HEADRACE = str(Path(sys.executable).parent / "headrace")
SECRET = "s3cr3t-value"


def environ(**given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADRACE_", "CUDO_", "AZURE_"))}
    return kept | given


def headrace(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HEADRACE, *arguments], env=environ(**given), capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
    )


def test_every_kind_is_listed_with_what_it_needs() -> None:
    rows = {row["kind"]: row for row in json.loads(headrace("providers", "kinds", "--json").stdout)}
    assert rows["cudo"]["title"] == "Cudo Compute"
    assert rows["cudo"]["summary"] == "to read: CUDO_API_KEY; to launch: project, image"
    assert rows["vultr"]["summary"] == "to launch: VULTR_API_KEY, snapshot or os"
    assert rows["snapshot"]["summary"] == "nothing"
    assert all(row["title"] and "\n" not in row["summary"] for row in rows.values())
    shown = headrace("providers", "kinds").stdout
    assert all(kind in shown for kind in rows)


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "headrace.yaml"
    done = headrace("providers", "add", "azure", "--write", "--config", str(file))
    assert done.returncode == 1
    assert "options.subscription, regions: missing" in done.stderr
    assert "--option subscription=... or AZURE_SUBSCRIPTION_ID" in done.stderr
    assert "--region NAME" in done.stderr
    assert not file.exists()


def test_a_missing_key_is_told_with_the_line_to_run() -> None:
    assert "export CUDO_API_KEY=..." in headrace("providers", "add", "cudo").stderr
    other = headrace("providers", "add", "cudo", "--option", "api_key_env=MY_KEY").stderr
    assert "export MY_KEY=..." in other
    assert "CUDO_API_KEY" not in other


def test_the_block_is_shown_and_the_secret_is_not() -> None:
    done = headrace("providers", "add", "cudo", "--region", "no-luster-1", "--option", "project=p-1", "--no-check", CUDO_API_KEY=SECRET)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "providers:\n- name: cudo\n  regions:\n  - no-luster-1\n  options:\n    project: p-1\n"
    assert "CUDO_API_KEY: set" in done.stderr
    assert "options.image: missing: nothing is launched without it" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_it_is_written_and_tried(tmp_path: Path) -> None:
    file = tmp_path / "headrace.yaml"
    done = headrace("providers", "add", "snapshot", "--name", "lists", "--write", HEADRACE_CONFIG=str(file))
    assert done.returncode == 0, done.stderr
    assert "works" in done.stdout
    assert [(each.name, each.kind) for each in load_settings(file).providers] == [("snapshot", ""), ("lists", "snapshot")]
    again = headrace("providers", "add", "snapshot", "--name", "lists", "--write", HEADRACE_CONFIG=str(file))
    assert again.returncode == 1
    assert "name: is configured already for account default (got 'lists')" in again.stderr


def test_a_read_that_fails_is_told_after_the_writing(tmp_path: Path) -> None:
    file = tmp_path / "headrace.yaml"
    where = ("--endpoint", "http://127.0.0.1:9", "--config", str(file))
    done = headrace("providers", "add", "simulated", *where, "--write", HEADRACE_MARKET_TOKEN=SECRET)
    assert done.returncode == 1
    assert "fails" in done.stdout
    assert "Traceback" not in done.stderr
    assert load_settings(file).providers[-1].endpoint == "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nimbus",), "providers.kind: no adapter of this kind is installed (got 'nimbus'). Installed adapters: "),
        (("snapshot", "--name", "Big Name"), "name: "),
        (("snapshot", "--option", "file"), "option: is not name=value (got 'file')"),
        (("snapshot", "--option", "clouds=aws", "--option", "clouds=gcp"), "options.clouds: is given twice (got 'gcp')"),
        (("snapshot", "--option", "cloud=aws"), "options.cloud: the adapter has no such option (got 'cloud'). Known: file, clouds."),
        (("snapshot", "--option", "file=/no/such.csv"), "options.file: no such file (got '/no/such.csv')"),
        (("snapshot", "--write"), "config: missing"),
        (("snapshot", "--write", "--config", "/no/such/folder/h.yaml"), "config: No such file or directory (got '/no/such/folder/h.yaml')"),
    ],
)
def test_bad_input_names_field_value_and_remedy(arguments: tuple[str, ...], told: str) -> None:
    done = headrace("providers", "add", *arguments)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_on_a_terminal_it_asks_for_what_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "headrace.yaml"
    ours, theirs = pty.openpty()
    command = [HEADRACE, "providers", "add", "azure", "--write", "--no-check", "--config", str(file), "--option", "image=i"]
    with subprocess.Popen(command, env=environ(), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        for line in ("sub-1", "eastus, westeurope", "", "subnet-1", ""):
            os.write(ours, f"{line}\n".encode())
        shown = b""
        while True:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                break
        assert process.wait(timeout=60) == 0, shown
    os.close(ours)
    written = load_settings(file).providers[-1]
    assert written.regions == ["eastus", "westeurope"]
    assert written.options == {"image": "i", "subscription": "sub-1", "subnet": "subnet-1"}
    assert b"needed to launch, Enter leaves it out" in shown
