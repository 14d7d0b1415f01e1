"""An embedded Postgres: a server of our own on a Unix socket, for people who set no ``DATABASE_URL``, and for tests.

``python -m scheduler.store.embedded --data-dir D --socket-dir S`` runs it in the foreground: the process becomes the
postmaster, so that whoever supervises it may ``kill -9`` and restart it (``scheduler.store.foreground`` is the same, and starts
faster). Stop it with SIGINT; SIGTERM waits for all clients.
Knows processes and one ``CREATE DATABASE``; must not know tables.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg
import structlog

from scheduler.store.binaries import find_binaries
from scheduler.store.errors import EmbeddedPostgresError
from scheduler.store.foreground import main
from scheduler.store.postmaster import PORT, SUPERUSER, Launch

DATABASE = "headrace"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0

_log = structlog.get_logger(__name__)


class EmbeddedPostgres:
    """A server on ``data_dir``, listening on a socket in ``socket_dir`` only.

    ``start()`` uses the server that already runs on the data directory where there is one, whoever started it and wherever its
    socket is; ``stop()`` ends only a server that this object started.

    Args:
        settings: Postgres settings over the defaults, such as ``{"fsync": "off"}`` for tests.
        unprivileged: as root, run as an unprivileged user even where a user namespace is possible.
        die_with_parent: the server shuts down when the *thread* that called ``start()`` ends (a rule of the kernel);
            set it only where that is the main thread.
    """

    def __init__(
        self,
        data_dir: Path,
        socket_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        unprivileged: bool = False,
        die_with_parent: bool = False,
    ) -> None:
        self._launch = Launch(data_dir.absolute(), socket_dir.absolute(), dict(settings or {}), unprivileged, die_with_parent)
        self._cluster = self._launch.data_dir / str(find_binaries(os.environ).major)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_dir = self._launch.socket_dir
        self.pid: int | None = None

    @property
    def dsn(self) -> str:
        """SQLAlchemy URL of the database ``headrace``; the server's real socket once started."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """SQLAlchemy URL of another database on the same server."""
        return f"postgresql+psycopg://{SUPERUSER}@/{database}?host={quote(str(self._socket_dir))}&port={PORT}"

    @property
    def owned(self) -> bool:
        """True while a server runs that this object started."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Return when the server answers and the database exists.

        Raises:
            EmbeddedPostgresError: it cannot run here, or did not answer within 60 s.
        """
        if self._attach() is None:
            self._spawn_and_wait()
        self._create_database()
        _log.info("postgres_started", pid=self.pid, owned=self.owned, data_dir=str(self._launch.data_dir))

    def stop(self) -> None:
        """Shut the own server down: fast, and by force after 20 s. Does nothing to a server that was found running."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_STOP_TIMEOUT_S)
                break
        _log.info("postgres_stopped", pid=process.pid, status=process.returncode)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _spawn_and_wait(self) -> None:
        if self._process is not None:  # a killed server keeps its number until its parent looks
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
        # The write end closes when the child becomes Postgres, so whatever arrives here is why it could not.
        failure, child_failure = os.pipe()
        try:
            with self._open_log() as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "scheduler.store.foreground", *self._arguments(child_failure)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(child_failure,),
                )
        finally:
            os.close(child_failure)
        with os.fdopen(failure, "rb") as reader:
            os.set_blocking(failure, False)
            self._wait(self._process, reader)

    def _wait(self, process: subprocess.Popen[bytes], failure: IO[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            pid = self._attach()
            if pid is not None:
                if pid != process.pid:  # another process won the race for the data directory: use its server
                    self.stop()
                return
            if ended:
                self._process = None
                raise EmbeddedPostgresError((failure.read() or b"").decode() or f"Postgres did not start: {self._last_log_line()}")
            time.sleep(0.02)
        self.stop()
        raise EmbeddedPostgresError(f"Postgres did not answer within {_START_TIMEOUT_S:.0f} s: {self._last_log_line()}")

    def answers(self) -> bool:
        """True where a server runs on this data directory and takes connections; remembers where its socket is."""
        return self._attach() is not None

    def _attach(self) -> int | None:
        """Process id of the server that answers on this data directory; remembers where its socket is."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            pid, socket_dir = int(lines[0]), Path(lines[4])
            psycopg.connect(host=str(socket_dir), port=PORT, user=SUPERUSER, dbname="postgres", connect_timeout=2).close()
        except (OSError, ValueError, IndexError, psycopg.OperationalError):
            return None
        self._socket_dir, self.pid = socket_dir, pid
        return pid

    def _create_database(self) -> None:
        with psycopg.connect(host=str(self._socket_dir), port=PORT, user=SUPERUSER, dbname="postgres", autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if known is None:
                # a second process may create it between the two statements; in the catalogue that shows as either error
                with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(f"CREATE DATABASE {DATABASE}")

    def _arguments(self, failure_fd: int) -> list[str]:
        launch = self._launch
        arguments = ["--data-dir", str(launch.data_dir), "--socket-dir", str(launch.socket_dir), "--failure-fd", str(failure_fd)]
        arguments += [argument for name, value in launch.settings.items() for argument in ("--set", f"{name}={value}")]
        arguments += ["--unprivileged"] if launch.unprivileged else []
        return arguments + (["--die-with-parent"] if launch.die_with_parent else [])

    @property
    def _log_path(self) -> Path:
        return self._launch.data_dir / "postgres.log"

    def _open_log(self) -> IO[bytes]:
        """A log per start, and the one before it: enough to see why a server died, and bounded."""
        path = self._log_path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if path.exists():
                path.replace(path.with_name("postgres.log.1"))
            return path.open("wb")
        except OSError as error:
            raise EmbeddedPostgresError(
                f"data directory {path.parent} cannot be used: {error.strerror}. Make it writable for uid {os.geteuid()} or choose another."
            ) from error

    def _last_log_line(self) -> str:
        try:
            lines = self._log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), lines[-1] if lines else "it left no message")


if __name__ == "__main__":
    sys.exit(main())
