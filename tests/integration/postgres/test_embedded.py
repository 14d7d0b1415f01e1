"""The embedded server: who may run it, what it survives, and what it says when it cannot."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scheduler.store import postmaster
from scheduler.store.binaries import find_binaries
from scheduler.store.embedded import EmbeddedPostgres
from scheduler.store.errors import EmbeddedPostgresError
from scheduler.store.foreground import EXIT_IN_USE, EXIT_UNUSABLE
from tests.conftest import FAST

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes its user, which only root can")


@pytest.fixture
def empty_place() -> Iterator[Path]:
    """A short folder that any user may walk into."""
    with tempfile.TemporaryDirectory(prefix="hr-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def initialised(short_dir: Path) -> Path:
    """A data directory after its first start, to be copied: initdb takes most of a test's time."""
    with EmbeddedPostgres(short_dir / "initialised", short_dir / "i", settings=FAST):
        pass
    return short_dir / "initialised"


@pytest.fixture
def place(empty_place: Path, initialised: Path) -> Path:
    """The same with a data directory in it."""
    shutil.copytree(initialised, empty_place / "data", symlinks=True)
    return empty_place


def server(place: Path, **more: bool) -> EmbeddedPostgres:
    return EmbeddedPostgres(place / "data", place / "s", settings=FAST, die_with_parent=True, **more)


def ask(running: EmbeddedPostgres, statement: str) -> object:
    with psycopg.connect(running.dsn.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return (cursor.fetchone() or (None,))[0] if cursor.description else None


def test_a_killed_server_comes_back_with_its_data(place: Path) -> None:
    with EmbeddedPostgres(place / "data", place / "s", die_with_parent=True) as running:  # with fsync: its data is the point
        ask(running, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert running.pid is not None
        os.kill(running.pid, signal.SIGKILL)
        running.start()
        assert ask(running, "SELECT answer FROM kept") == 42


def test_a_second_start_uses_the_running_server_and_does_not_stop_it(place: Path) -> None:
    with server(place) as first:
        second = EmbeddedPostgres(place / "data", place / "elsewhere", settings=FAST)
        second.start()
        assert (second.owned, second.pid, second.dsn) == (False, first.pid, first.dsn)
        second.stop()
        assert ask(first, "SELECT 1") == 1


def test_processes_that_start_at_once_end_up_on_one_server(empty_place: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from scheduler.store.embedded import EmbeddedPostgres\n"
        "pg = EmbeddedPostgres(Path(sys.argv[1]), Path(sys.argv[2])); pg.start()\n"
        "print('on', pg.pid, flush=True); sys.stdin.read(); pg.stop()"
    )
    command = [sys.executable, "-c", script, str(empty_place / "data")]
    racers = [
        subprocess.Popen([*command, str(empty_place / name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]
    try:
        answers = {_line_with("on", racer) for racer in racers}
        assert len(answers) == 1
    finally:
        for racer in racers:
            racer.communicate(timeout=60)


def _line_with(word: str, process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if line.startswith(word))


def test_the_foreground_process_is_the_postmaster_and_refuses_a_second_one(place: Path) -> None:
    with server(place) as running:
        assert running.pid is not None
        assert Path(f"/proc/{running.pid}/comm").read_text().strip() == "postgres"
        command = [sys.executable, "-m", "scheduler.store.embedded", "--data-dir", str(place / "data"), "--socket-dir", str(place / "t")]
        second = subprocess.run([*command, "--wait", "0.1"], capture_output=True, text=True, check=False, timeout=60)
        assert second.returncode == EXIT_IN_USE
        assert "is in use by another Postgres" in second.stderr


def test_it_listens_on_a_private_socket_only(place: Path) -> None:
    with server(place) as running:
        assert ask(running, "SHOW listen_addresses") == ""
        assert (place / "s").stat().st_mode & 0o777 == 0o700


def test_a_pid_file_of_a_process_that_is_something_else_is_no_obstacle(place: Path) -> None:
    with server(place) as running:
        assert running.pid is not None
        pid_file = next((place / "data").glob("*/postmaster.pid"))
        os.kill(running.pid, signal.SIGKILL)
        left_over = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(os.getpid()), *left_over[1:]]) + "\n")
        running.start()
        assert ask(running, "SELECT 1") == 1


def test_an_initdb_that_was_killed_half_way_is_done_again(empty_place: Path) -> None:
    half = empty_place / "data" / f"{find_binaries(os.environ).major}.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("half")
    with server(empty_place) as running:
        assert ask(running, "SELECT 1") == 1


@as_root
def test_root_runs_it_in_a_user_namespace_and_keeps_its_files(place: Path) -> None:
    with server(place) as running:
        assert ask(running, "SELECT 1") == 1
        assert next((place / "data").glob("*/PG_VERSION")).stat().st_uid == 0


@as_root
def test_without_user_namespaces_root_hands_the_data_to_an_unprivileged_user(place: Path) -> None:
    with server(place, unprivileged=True) as running:
        assert _uid_of(running) != 0
        ask(running, "CREATE TABLE kept AS SELECT 42 AS answer")
    with server(place) as again:  # the data has an owner now: it decides, namespace or not
        assert _uid_of(again) != 0
        assert ask(again, "SELECT answer FROM kept") == 42


def _uid_of(running: EmbeddedPostgres) -> int:
    return Path(f"/proc/{running.pid}").stat().st_uid


@as_root
def test_without_user_namespaces_a_closed_parent_is_named(empty_place: Path) -> None:
    empty_place.chmod(0o700)
    with pytest.raises(EmbeddedPostgresError, match=rf"{re.escape(str(empty_place))} is closed to that one. Choose a data directory"):
        server(empty_place, unprivileged=True).start()


@as_root
def test_an_unprivileged_user_runs_it(empty_place: Path) -> None:
    nobody = 65534
    home = empty_place / "home"
    home.mkdir()
    os.chown(home, nobody, nobody)
    # a checkout below /root is closed to that user: what it imports and runs is loaded before root is given up
    script = (
        "import os, sys; from pathlib import Path\n"
        "from scheduler.store.postmaster import Launch, become_postmaster\n"
        "from scheduler.store.binaries import find_binaries, readable_binaries\n"
        "place = Path(sys.argv[1])\n"
        "bin_dir = readable_binaries(find_binaries({}).directory, place / 'binaries')\n"
        f"os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})\n"
        "launch = Launch(place / 'home' / 'data', place / 'home' / 's', {'fsync': 'off'})\n"
        "become_postmaster(launch, {'PG_BINDIR': str(bin_dir)})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(empty_place)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        assert any("ready to accept connections" in line for line in process.stdout)
        assert Path(f"/proc/{process.pid}").stat().st_uid == nobody
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_a_long_socket_path_is_refused_with_the_limit(empty_place: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="the system allows 103"):
        EmbeddedPostgres(empty_place / "data", empty_place / ("s" * 100)).start()


def test_a_data_directory_that_cannot_be_made_is_named(empty_place: Path) -> None:
    (empty_place / "file").write_text("in the way")
    with pytest.raises(EmbeddedPostgresError, match=r"data directory .*file/data cannot be used: Not a directory"):
        EmbeddedPostgres(empty_place / "file" / "data", empty_place / "s").start()


def test_a_full_disk_is_told_before_anything_is_written(empty_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    launch = postmaster.Launch(empty_place / "data", empty_place / "s")
    with pytest.raises(EmbeddedPostgresError, match="0 MiB are free on its disk, Postgres needs 64 MiB"):
        postmaster.become_postmaster(launch, {})


def test_data_of_another_major_version_is_not_touched(empty_place: Path) -> None:
    (empty_place / "data" / "9").mkdir(parents=True)
    with pytest.raises(EmbeddedPostgresError, match="was written by Postgres 9"):
        server(empty_place).start()


def test_wrong_binaries_are_named(empty_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BINDIR", str(empty_place))
    with pytest.raises(EmbeddedPostgresError, match="no Postgres runs from there"):
        server(empty_place)


def test_a_wrong_setting_is_told_with_postgres_own_words(place: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="shared_buffers"):
        EmbeddedPostgres(place / "data", place / "s", settings={"shared_buffers": "lots"}).start()
    status = subprocess.run(
        [sys.executable, "-m", "scheduler.store.foreground", "--data-dir", "/proc/none", "--socket-dir", str(place / "s")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert status.returncode == EXIT_UNUSABLE
    assert "cannot be used" in status.stderr
