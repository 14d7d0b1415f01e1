"""Under which user the embedded Postgres runs: Postgres refuses to be root, containers like to be nothing else.

Knows the kernel's user namespaces and file ownership; must not know Postgres settings or SQL.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

from scheduler.store.errors import EmbeddedPostgresError

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def stand_in() -> tuple[int, int]:
    """User and group id that a root process takes: ``postgres`` where the system has it, else ``nobody``.

    It must have an entry in the user database: initdb looks its name up, even inside a user namespace.

    Raises:
        EmbeddedPostgresError: root is the only user of this system.
    """
    users = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    chosen = min(users, key=lambda entry: (entry.pw_name != "postgres", entry.pw_name != "nobody", entry.pw_uid), default=None)
    if chosen is None:
        raise EmbeddedPostgresError(
            "root is the only user of this system, and Postgres refuses to be root: add a user, or set DATABASE_URL."
        )
    return chosen.pw_uid, chosen.pw_gid


def die_with_parent() -> None:
    """Ask the kernel for a fast shutdown (SIGINT) when the thread that started this process ends. Linux only, elsewhere a no-op.

    Must follow every change of identity: the kernel forgets the request when credentials change.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


def enter_user_namespace() -> bool:
    """Become a non-root user in the own eyes while files keep their owner: nothing is chowned.

    Tried in a forked child first, because a namespace whose id map cannot be written is a trap without a way back.

    Returns:
        False where the kernel, seccomp or AppArmor forbids it; the process is then unchanged.
    """
    user, group = stand_in()
    child = os.fork()
    if child == 0:
        os._exit(0 if _unshare_and_map(user, group) else 1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0 and _unshare_and_map(user, group)


def _unshare_and_map(user: int, group: int) -> bool:
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
            return False
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} 0 1\n", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} 0 1\n", encoding="ascii")
    except (AttributeError, OSError):  # no unshare(2) outside Linux; a read-only or masked /proc
        return False
    return True


def drop_to(user: int, group: int) -> None:
    """Give root up for good."""
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def give_tree(root: Path, user: int, group: int) -> None:
    """Hand a directory and all below it to a user."""
    for folder, _, files in os.walk(root):
        os.chown(folder, user, group)
        for name in files:
            os.chown(os.path.join(folder, name), user, group, follow_symlinks=False)


def require_reachable(path: Path) -> None:
    """Check that other users can walk down to ``path``.

    Raises:
        EmbeddedPostgresError: a directory above it is closed to them.
    """
    closed = first_closed_parent(path)
    if closed is not None:
        raise EmbeddedPostgresError(
            f"{path}: this root process may not open a user namespace, so Postgres runs as an unprivileged user, "
            f"and {closed} is closed to that one. Choose a data directory below /var/lib or /srv, or allow user namespaces."
        )


def first_closed_parent(path: Path) -> Path | None:
    """The topmost directory above ``path`` that other users cannot enter."""
    for parent in reversed(path.resolve().parents):
        if not parent.stat().st_mode & 0o001:
            return parent
    return None
