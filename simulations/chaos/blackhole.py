"""A network of its own for one process, whose cable can be pulled: packets vanish, and neither side is told."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

_NET = "10.213"
_NUMBERS = itertools.count()
"""The kernel takes its time to remove a card, so no name is used twice."""


@dataclass(frozen=True, slots=True)
class Island:
    """One network namespace, joined to ours by a pair of virtual cards."""

    name: str
    address: str

    def inside(self, argv: list[str]) -> list[str]:
        """The command, run inside."""
        return ["ip", "netns", "exec", self.name, *argv]

    def cut(self) -> None:
        """Pull the cable: from now on nothing arrives, neither FIN nor RST."""
        _ip("-n", self.name, "link", "set", "inner", "down")


def why_not() -> str:
    """Why this machine can't make islands, "" where it can."""
    if os.geteuid() != 0:
        return "needs root for a network namespace"
    try:
        with islands(1):
            return ""
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        return f"no network namespace can be made: {said}"


@contextlib.contextmanager
def islands(count: int) -> Iterator[list[Island]]:
    """Make some, and remove them at the end.

    Raises:
        subprocess.CalledProcessError, OSError: this machine does not allow it.
    """
    made: list[Island] = []
    # The process id keeps apart what runs on one machine at the same time.
    first = os.getpid() % 64 * 256
    try:
        for number in itertools.islice(_NUMBERS, count):
            place = first + number % 64 * 4
            base, outer = f"{_NET}.{place >> 8}", f"hr{os.getpid() % 100000}-{number}"
            island = Island(f"headrace-{os.getpid()}-{number}", f"{base}.{(place & 255) + 2}")
            _ip("netns", "add", island.name)
            made.append(island)
            _ip("link", "add", outer, "type", "veth", "peer", "name", "inner", "netns", island.name)
            _ip("addr", "add", f"{base}.{(place & 255) + 1}/30", "dev", outer)
            _ip("link", "set", outer, "up")
            _ip("-n", island.name, "addr", "add", f"{island.address}/30", "dev", "inner")
            for card in ("lo", "inner"):
                _ip("-n", island.name, "link", "set", card, "up")
        yield made
    finally:
        for island in made:
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip("netns", "del", island.name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=10)
