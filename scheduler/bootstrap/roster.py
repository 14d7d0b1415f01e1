"""The roster: which processes belong to a running headrace, with role, pid, port and URL; read by ``headrace status``.

One file per supervisor under ``data_dir/run``, replaced atomically; a file whose supervisor is gone is ignored and removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One process. ``pid`` is 0 while it is being restarted."""

    role: str
    name: str
    pid: int
    port: int | None = None
    url: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Roster:
    """A running headrace. ``created`` guards against a reused pid of the supervisor."""

    supervisor: int
    created: float
    control_url: str
    front_door: str
    processes: tuple[RosterEntry, ...]


def write_roster(run_dir: Path, roster: Roster) -> None:
    """Replace this supervisor's file."""
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = run_dir / f"{roster.supervisor}.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(roster), indent=1), encoding="utf-8")
    temporary.replace(path)


def remove_roster(run_dir: Path, supervisor: int) -> None:
    """Forget this supervisor."""
    (run_dir / f"{supervisor}.json").unlink(missing_ok=True)


def read_rosters(run_dir: Path) -> Sequence[Roster]:
    """Rosters of living supervisors, newest first."""
    found = []
    for path in run_dir.glob("*.json"):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            processes = tuple(RosterEntry(**entry) for entry in document.pop("processes"))
            roster = Roster(processes=processes, **document)
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if _lives(roster):
            found.append(roster)
        else:
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda roster: -roster.created)


def _lives(roster: Roster) -> bool:
    try:
        return abs(psutil.Process(roster.supervisor).create_time() - roster.created) < 1
    except psutil.NoSuchProcess:
        return False


def own_creation() -> float:
    """When this process was created, as the roster records it."""
    return float(psutil.Process(os.getpid()).create_time())
