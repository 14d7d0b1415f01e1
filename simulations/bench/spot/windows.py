"""Recorded windows of spot availability: for every zone, tick by tick, whether one more node could be had, and at what price.

Source: the traces of the Can't-Be-Late simulator as published with Frontier-CS (AWS, p3.2xlarge, 2023). In the files 1 means
*unavailable* and 0 available; ``metadata.gap_seconds`` is the time between ticks.
"""

from __future__ import annotations

import json
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from scheduler.domain.units import micro_usd


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone in one window: ``available`` and ``price`` (micro-USD per node and hour), by tick."""

    name: str
    available: tuple[bool, ...]
    price: tuple[int, ...]

    @property
    def region(self) -> str:
        return self.name[:-1]


@dataclass(frozen=True, slots=True)
class Window:
    """Zones over the same ticks."""

    name: str
    gap_s: float
    zones: tuple[Zone, ...]

    @property
    def ticks(self) -> int:
        return len(self.zones[0].available)


def read_windows(archive: Path) -> tuple[Window, ...]:
    """All windows of an archive whose members are ``<zone>_<accelerator>_<count>/<window>.json``.

    Raises:
        ValueError: zones of one window differ in length or in the time between ticks.
    """
    found: dict[str, list[tuple[Zone, float]]] = defaultdict(list)
    with tarfile.open(archive) as files:
        for member in sorted(files.getmembers(), key=lambda each: each.name):
            path = Path(member.name)
            content = files.extractfile(member) if path.suffix == ".json" else None
            if content is None:
                continue
            row = json.load(content)
            out, prices = row["data"], row["prices"]
            zone = Zone(path.parent.name.split("_")[0], tuple(not each for each in out), tuple(micro_usd(price) for price in prices))
            found[path.stem].append((zone, float(row["metadata"]["gap_seconds"])))
    windows = []
    for name, rows in sorted(found.items(), key=lambda each: int(each[0])):
        zones = tuple(zone for zone, _ in rows)
        if len({gap for _, gap in rows}) > 1 or len({len(zone.available) for zone in zones}) > 1:
            raise ValueError(f"window {name}: its zones are not aligned")
        windows.append(Window(name, rows[0][1], zones))
    return tuple(windows)
