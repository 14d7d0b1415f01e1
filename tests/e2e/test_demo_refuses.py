"""Where a demo cannot run it says so at once, in one line with a remedy, and leaves nothing behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running import HEADRACE, environment

NOT_MOUNTED = 99
MOUNTED = f"""
import os, subprocess, sys
end = sys.argv.index("--")
if subprocess.run(["mount", "-t", "tmpfs", *sys.argv[1:end]]).returncode:
    sys.exit({NOT_MOUNTED})
os.execv(sys.argv[end + 1], sys.argv[end + 1 :])
"""


def refused(data_dir: Path, *options: str, **variables: str) -> str:
    """What it says on stderr."""
    done = subprocess.run(
        [HEADRACE, "demo", *options], env=environment(data_dir) | variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_port_in_use_is_named_with_the_option_that_changes_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refused(tmp_path, "--port", port)
    assert port in said
    assert "in use" in said
    assert "--port" in said


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    said = refused(blocked / "below")
    assert str(blocked) in said
    assert "HEADRACE_DATA_DIR" in said


def test_a_run_without_load_cannot_be_a_proof(tmp_path: Path) -> None:
    assert "--idle" in refused(tmp_path, "--once", "--idle")


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_out_of_range_is_refused(tmp_path: Path, port: str) -> None:
    assert "65535" in refused(tmp_path, "--port", port).replace("greater than or equal to 0", "0<=x<=65535")


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (("-o", "size=16m", "tmpfs", "/mnt"), ("/mnt", "MiB free", "TMPDIR")),
        (("-o", "ro", "tmpfs", "/dev/shm"), ("/dev/shm", "--shm-size")),
    ],
)
def test_a_machine_without_room_is_told_what_to_change(tmp_path: Path, mount: tuple[str, ...], words: tuple[str, ...]) -> None:
    """In a mount namespace of its own, so that the disk really is full and shared memory really is not writable."""
    inside = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", MOUNTED, *mount, "--", str(HEADRACE), "demo"]
    variables = environment(tmp_path) | ({"TMPDIR": "/mnt"} if "/mnt" in mount else {})
    done = subprocess.run(inside, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode not in (0, NOT_MOUNTED), done.stderr
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
