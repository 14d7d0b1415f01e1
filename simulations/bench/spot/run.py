"""Figures of ``headrace bench spot``: every policy over every window, as ratios to the clairvoyant floor of the same window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean, quantiles
from typing import Any

from scheduler.planner.spot import SpotGoal
from simulations.bench.spot.floor import floor_cost
from simulations.bench.spot.policies import AlwaysOnDemand, CheapestZone, Ours, SpotHedge
from simulations.bench.spot.replay import Measured, Policy, Terms, replay
from simulations.bench.spot.windows import Window, read_windows

SHORTFALL_HOURS = (25, 70, 150)
"""What an hour with too few ready replicas is worth, in hours of the whole fleet on demand: a cheap, the usual and a strict goal."""

LEVEL = {"availability": 0.999, "cost_ratio": 1.25}


def spot(archive: Path, terms: Terms, policies: Iterable[str] = ()) -> dict[str, Any]:
    """Replay all windows. Nothing here is random: neither the windows nor any policy draws a number.

    Args:
        policies: names of those to replay; empty for all.
    """
    windows = read_windows(archive)
    floors = [floor_cost(window, terms) for window in windows]
    chosen = {name: make for name, make in _policies(terms).items() if not policies or name in set(policies)}
    return {
        "windows": len(windows),
        "zones": len(windows[0].zones),
        "gap_s": windows[0].gap_s,
        "hours_per_window": round(windows[0].ticks * windows[0].gap_s / 3600, 2),
        "terms": {"wanted": terms.wanted, "start_s": terms.start_s, "on_demand_usd_per_h": terms.on_demand / 1e6},
        "availability": "share of time, from start_s on, with at least `wanted` nodes ready",
        "readiness": "mean over the same time of min(ready, wanted) / wanted",
        "level": LEVEL,
        "floor_usd_per_h": round(mean(floor / _hours(window) for floor, window in zip(floors, windows, strict=True)) / 1e6, 4),
        "spothedge": "re-implemented from the SkyServe paper, not its code",
        "policies": {name: _figures(windows, floors, make, terms) for name, make in chosen.items()},
    }


def _policies(terms: Terms) -> dict[str, Callable[[], Policy]]:
    found: dict[str, Callable[[], Policy]] = {
        "on-demand": lambda: AlwaysOnDemand(terms),
        "cheapest zone": lambda: CheapestZone(terms),
        "SpotHedge, 1 spare": lambda: SpotHedge(terms, 1),
        "SpotHedge, 2 spare": lambda: SpotHedge(terms, 2),
        "SpotHedge, 3 spare": lambda: SpotHedge(terms, 3),
    }
    for hours in SHORTFALL_HOURS:
        goal = SpotGoal(terms.wanted, terms.start_s, hours * terms.wanted * terms.on_demand)
        found[f"headrace, shortfall {hours} h"] = lambda goal=goal: Ours(terms, goal)  # type: ignore[misc]
    return found


def _hours(window: Window) -> float:
    return window.ticks * window.gap_s / 3600


def _figures(windows: tuple[Window, ...], floors: list[float], make: Callable[[], Policy], terms: Terms) -> dict[str, Any]:
    began = time.perf_counter()
    played = [replay(window, make(), terms) for window in windows]
    seconds = time.perf_counter() - began
    ratios = [told.cost / floor for told, floor in zip(played, floors, strict=True)]
    half = len(windows) // 2
    return {
        "cost_ratio_to_floor": round(mean(ratios), 4),
        "cost_ratio_spread": _spread(ratios),
        "availability": round(mean(told.availability for told in played), 6),
        "availability_spread": _spread([told.availability for told in played]),
        "readiness": round(mean(told.readiness for told in played), 6),
        "interruptions_per_window": round(mean(told.interruptions for told in played), 2),
        "launches_per_window": round(mean(told.launches for told in played), 2),
        "on_demand_share_of_cost": round(sum(told.on_demand_cost for told in played) / sum(told.cost for told in played), 4),
        "fitted_half": _half(ratios[:half], played[:half]),
        "other_half": _half(ratios[half:], played[half:]),
        "ms_per_decision": round(seconds * 1000 / sum(window.ticks for window in windows), 3),
    }


def _half(ratios: list[float], played: list[Measured]) -> dict[str, float]:
    if not ratios:
        return {}
    return {"cost_ratio_to_floor": round(mean(ratios), 4), "availability": round(mean(told.availability for told in played), 6)}


def _spread(values: list[float]) -> dict[str, float]:
    """Least, tenth, median, ninetieth and most over the windows."""
    tenths = quantiles(values, n=10, method="inclusive") if len(values) > 1 else values * 9
    named = {"min": min(values), "p10": tenths[0], "p50": tenths[4], "p90": tenths[8], "max": max(values)}
    return {name: round(value, 4) for name, value in named.items()}
