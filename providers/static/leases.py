"""Who holds which owned machine: a small file of leases, written atomically. Knows no prices and no network.

A lease is taken by token, so that a repeated launch is the same lease; it ends when it is given back. Several processes may
share the file: every change happens under a file lock.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Lease:
    """One owned machine, held for one node."""

    host: str
    launch_token: str
    machine: str
    region: str
    zone: str


class LeaseFile:
    """All leases of one inventory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def leases(self) -> tuple[Lease, ...]:
        """Every lease in force."""
        with self._locked() as leases:
            return tuple(leases)

    def take(self, launch_token: str, hosts: Sequence[str], *, machine: str, region: str, zone: str) -> Lease | None:
        """Lease the first free host, or return the token's lease; None where all are taken."""
        with self._locked() as leases:
            for lease in leases:
                if lease.launch_token == launch_token:
                    return lease
            taken = {lease.host for lease in leases}
            free = next((host for host in hosts if host not in taken), None)
            if free is None:
                return None
            lease = Lease(free, launch_token, machine, region, zone)
            leases.append(lease)
            self._write(leases)
            return lease

    def give_back(self, host: str, launch_token: str) -> None:
        """End a lease; one that has ended, or whose host is leased to another token by now, is no error."""
        with self._locked() as leases:
            left = [lease for lease in leases if (lease.host, lease.launch_token) != (host, launch_token)]
            if len(left) != len(leases):
                self._write(left)

    @contextmanager
    def _locked(self) -> Iterator[list[Lease]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else "[]"
            yield [Lease(**row) for row in json.loads(text)]

    def _write(self, leases: Sequence[Lease]) -> None:
        temporary = self._path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as target:
            json.dump([asdict(lease) for lease in leases], target, indent=1)
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(self._path)
