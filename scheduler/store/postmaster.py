"""Prepares a data directory and turns this process into the postmaster.

Knows initdb, Postgres settings and files on disk; must not know tables, SQLAlchemy or who supervises the process.

Layout below the data directory::

    lock            held (flock) by the postmaster and all its children, so it is free exactly when the last of them is gone
    <major>/        the database cluster of that major version
    <major>.new/    an initdb under way; renamed when complete, so that a killed one leaves no half cluster
    postgres-<v>/   copied binaries, only where an unprivileged user cannot reach the installed ones
    postgres.log    output of a server that ``EmbeddedPostgres`` started
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from scheduler.store import identity
from scheduler.store.binaries import Binaries, find_binaries, readable_binaries
from scheduler.store.errors import DataDirectoryInUseError, EmbeddedPostgresError

SUPERUSER = "headrace"
PORT = 5432
LOCK_WAIT_S = 15.0
_FREE_BYTES_MIN = 64 * 2**20
_SOCKET_PATH_MAX = 103  # bytes before the terminating zero: 107 on Linux, 103 on macOS

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
_SINCE_MAJOR = {"io_method": 18}


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run one embedded server.

    Attributes:
        settings: Postgres settings over the defaults of ``SETTINGS``.
        unprivileged: as root, skip the user namespace and run as an unprivileged user at once.
        die_with_parent: shut down when the starting thread ends.
        lock_wait_s: how long to wait for the children of a killed postmaster to go; until then its shared memory is in use.
    """

    data_dir: Path
    socket_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    unprivileged: bool = False
    die_with_parent: bool = False
    lock_wait_s: float = LOCK_WAIT_S


def become_postmaster(launch: Launch, environ: Mapping[str, str]) -> None:
    """Create the database cluster if there is none and exec Postgres in this very process. Returns only by raising.

    Raises:
        DataDirectoryInUseError: another server runs on the data directory.
        EmbeddedPostgresError: the place or the binaries do not allow it.
    """
    binaries = find_binaries(environ)
    _check_socket_dir(launch.socket_dir)
    for folder in (launch.data_dir, launch.socket_dir):
        _make_private(folder)
    _check_room(launch.data_dir)
    cluster = launch.data_dir / str(binaries.major)
    _refuse_other_major(launch.data_dir, binaries)
    bin_dir = _assume_identity(launch, binaries, cluster)
    lock = _take_lock(launch.data_dir, launch.lock_wait_s)
    if not (cluster / "PG_VERSION").exists():
        _initialise(bin_dir, cluster)
    _remove_stale_pid_file(cluster)
    if launch.die_with_parent:
        identity.die_with_parent()
    os.set_inheritable(lock, True)
    argv = [str(bin_dir / "postgres"), "-D", str(cluster), *_setting_arguments(launch, binaries.major)]
    os.execve(argv[0], argv, {**environ, "LC_ALL": "C"})  # noqa: S606 - becoming the postmaster is the purpose


def _setting_arguments(launch: Launch, major: int) -> Sequence[str]:
    # Postgres keeps parallel query's shared memory in /dev/shm, which minimal containers lack
    shared = "posix" if os.access("/dev/shm", os.W_OK | os.X_OK) else "mmap"  # noqa: S108 - looked at, not written
    # after a crash every file is synced: one call for all of them where the kernel has it
    sync = {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}
    merged = {
        **{name: value for name, value in SETTINGS.items() if major >= _SINCE_MAJOR.get(name, 0)},
        **sync,
        "dynamic_shared_memory_type": shared,
        "unix_socket_directories": f'"{launch.socket_dir}"',
        "port": str(PORT),
        **launch.settings,
    }
    return [argument for name, value in merged.items() for argument in ("-c", f"{name}={value}")]


def _check_socket_dir(socket_dir: Path) -> None:
    length = len(os.fsencode(socket_dir / f".s.PGSQL.{PORT}"))
    if length > _SOCKET_PATH_MAX or '"' in str(socket_dir):
        raise EmbeddedPostgresError(
            f"socket directory {socket_dir}: the socket's path has {length} bytes, the system allows {_SOCKET_PATH_MAX} and no quotes. "
            "Choose a shorter one."
        )


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedPostgresError(_no_place(folder, error)) from error


def _check_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < _FREE_BYTES_MIN:
        raise EmbeddedPostgresError(
            f"data directory {folder}: {free // 2**20} MiB are free on its disk, Postgres needs {_FREE_BYTES_MIN // 2**20} MiB to start. "
            "Free some room or choose another data directory."
        )


def _refuse_other_major(data_dir: Path, binaries: Binaries) -> None:
    others = [entry.name for entry in data_dir.iterdir() if entry.name.isdigit() and entry.name != str(binaries.major)]
    if others and not (data_dir / str(binaries.major)).exists():
        raise EmbeddedPostgresError(
            f"data directory {data_dir} was written by Postgres {', '.join(sorted(others))}, the binaries are {binaries.version}. "
            "Set PG_BINDIR to binaries of that version, or dump with pg_dump and restore into a new data directory."
        )


def _assume_identity(launch: Launch, binaries: Binaries, cluster: Path) -> Path:
    """Stop being root in Postgres' eyes; returns the directory of binaries to use from then on."""
    if os.geteuid() != 0:
        return binaries.directory
    owner = cluster.stat() if cluster.exists() else None
    foreign = owner is not None and owner.st_uid != 0
    if not foreign and not launch.unprivileged and identity.enter_user_namespace():
        return binaries.directory
    user, group = (owner.st_uid, owner.st_gid) if owner is not None and foreign else identity.stand_in()
    identity.require_reachable(cluster.parent)
    identity.require_reachable(launch.socket_dir)
    launch.data_dir.chmod(0o711)
    bin_dir = readable_binaries(binaries.directory, launch.data_dir / f"postgres-{binaries.version}")
    identity.give_tree(launch.data_dir, user, group)
    launch.data_dir.chmod(0o700)
    os.chown(launch.socket_dir, user, group)
    identity.drop_to(user, group)
    return bin_dir


def _take_lock(data_dir: Path, wait_s: float) -> int:
    try:
        handle = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EmbeddedPostgresError(_no_place(data_dir, error)) from error
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(handle)
                raise DataDirectoryInUseError(
                    f"data directory {data_dir} is in use by another Postgres after {wait_s:.0f} s of waiting. "
                    "Connect to that one, stop it, or choose another data directory."
                ) from None
            time.sleep(0.05)
        else:
            return handle


def _initialise(bin_dir: Path, cluster: Path) -> None:
    fresh = cluster.with_name(cluster.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    options = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions"]
    command = [str(bin_dir / "initdb"), "-D", str(fresh), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        last = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
        detail = next((line for line in last if "error" in line.lower() or "FATAL" in line), last[-1])
        raise EmbeddedPostgresError(
            f"data directory {cluster.parent}: initdb failed: {detail}. "
            f"Check that its disk has room and that uid {os.getuid()} may write there."
        )
    fresh.rename(cluster)


def _remove_stale_pid_file(cluster: Path) -> None:
    """Postgres trusts a pid file whose number lives, and numbers are reused (in a container within seconds).

    The lock is held here, so no server of ours can be behind it.
    """
    path = cluster / "postmaster.pid"
    with suppress(FileNotFoundError, ValueError, IndexError):
        if not _serves(int(path.read_text(encoding="utf-8").splitlines()[0]), cluster):
            path.unlink()


def _serves(pid: int, cluster: Path) -> bool:
    """True where the process is, or for all one can see may be, a postmaster on this database cluster."""
    process = Path(f"/proc/{pid}")
    if not Path("/proc/self").exists():  # not Linux: Postgres judges alone
        return True
    try:
        name, _, rest = process.joinpath("stat").read_text(encoding="utf-8").partition("(")[2].rpartition(")")
        return name == "postgres" and rest.split()[0] != "Z" and process.joinpath("cwd").readlink() == cluster.resolve()
    except PermissionError:  # its working directory is hidden from us
        return True
    except OSError:  # gone meanwhile
        return False


def _no_place(folder: Path, error: OSError) -> str:
    remedy = "Free some room on its disk." if error.errno == errno.ENOSPC else f"Make it writable for uid {os.geteuid()} or choose another."
    return f"directory {folder} cannot be used: {error.strerror}. {remedy}"
