"""What a decided fleet does when one input in a hundred changes, or a cluster is lost; and how fast one deployment is placed beside it."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from scheduler.domain.lifecycle import ClusterState
from scheduler.domain.plan import Target
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.optimizer import SolveSettings, check, solve_next
from scheduler.optimizer.decompose.online import Standby
from scheduler.optimizer.decompose.solve import Decomposed

QUESTIONS = 300
"""Deployments that are placed online."""
SHARE = 100
"""One input in so many changes."""

Places = Mapping[str, Mapping[tuple[str, str], int]]


def online(solved: Decomposed, seed: int) -> dict[str, Any]:
    """One deployment at a time: in turn a new one like another, and a known one with half as much more demand."""
    standby, draw, spent_ms = Standby.after(solved), random.Random(seed), []  # noqa: S311
    for number in range(QUESTIONS):
        known = draw.choice(solved.fleet.snapshot.deployments)
        more = tuple(replace(each, tokens_per_s=each.tokens_per_s * 1.5) for each in known.demand)
        asked = replace(known, id=f"new-{number}") if number % 2 else replace(known, demand=more)
        began = time.perf_counter()
        standby.place(asked)
        spent_ms.append((time.perf_counter() - began) * 1000)
    cuts = statistics.quantiles(spent_ms, n=100)
    return {"questions": QUESTIONS, "p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2)}


def changes(snapshot: Snapshot, target: Target, solved: Decomposed, seed: int) -> dict[str, Any]:
    """Seconds, gap and moves of the next decision, by kind of change.

    ``moved_without_cause`` counts replicas that appear elsewhere although neither their deployment nor a place it uses has changed.
    """
    found = {}
    for name, change in CHANGES.items():
        changed, touched = change(snapshot, random.Random(seed))  # noqa: S311
        began = time.perf_counter()
        after, then = solve_next(changed, SolveSettings(explain=False, seed=seed, time_limit_s=60), solved)
        spent_s = time.perf_counter() - began
        before, now = _places(target), _places(after)
        free = [each for each in now if each not in touched and not any(place in touched for _, place in before.get(each, {}))]
        needless = sum(max(0, count - before.get(each, {}).get(place, 0)) for each in free for place, count in now[each].items())
        found[name] = {
            "solve_s": round(spent_s, 3),
            "gap": round(after.gap, 6),
            "unmet": len({each.deployment for each in after.unmet}),
            "violations": len(check(changed, after)),
            "moved_without_cause": needless,
            "from_the_last": then is not None and "place" in then.times_s,
        }
    return found


def _places(target: Target) -> Places:
    """Replicas by deployment, shape and offer."""
    found: dict[str, dict[tuple[str, str], int]] = {}
    for each in target.placements:
        found.setdefault(each.deployment, {})[each.shape, each.offer_id] = each.replicas
    return found


def _price(snapshot: Snapshot, draw: random.Random) -> tuple[Snapshot, set[str]]:
    chosen = {each.id for each in draw.sample(snapshot.offers, max(1, len(snapshot.offers) // SHARE))}
    dearer = (
        replace(each, price_micro_usd_per_h=round(each.price_micro_usd_per_h * 1.2)) if each.id in chosen else each
        for each in snapshot.offers
    )
    return replace(snapshot, offers=tuple(dearer)), chosen


def _demand(snapshot: Snapshot, draw: random.Random) -> tuple[Snapshot, set[str]]:
    chosen = {each.id for each in draw.sample(snapshot.deployments, max(1, len(snapshot.deployments) // SHARE))}
    more = (
        replace(each, demand=tuple(replace(one, tokens_per_s=one.tokens_per_s * 1.3) for one in each.demand)) if each.id in chosen else each
        for each in snapshot.deployments
    )
    return replace(snapshot, deployments=tuple(more)), chosen


def _stockout(snapshot: Snapshot, draw: random.Random) -> tuple[Snapshot, set[str]]:
    chosen = {each.id for each in draw.sample(snapshot.offers, max(1, len(snapshot.offers) // SHARE))}
    return replace(snapshot, caps={**snapshot.caps, **dict.fromkeys(chosen, LaunchCap(0, 0.9, "sold out"))}), chosen


def _lost(snapshot: Snapshot, draw: random.Random) -> tuple[Snapshot, set[str]]:
    gone = draw.choice(snapshot.clusters)
    touched = {
        each.id for each in snapshot.offers if (each.provider, each.account, each.region) == (gone.provider, gone.account, gone.region)
    }
    return replace(
        snapshot,
        clusters=tuple(replace(each, state=ClusterState.LOST) if each is gone else each for each in snapshot.clusters),
        nodes=tuple(each for each in snapshot.nodes if each.cluster != gone.id),
        replicas=tuple(each for each in snapshot.replicas if each.cluster != gone.id),
    ), touched


CHANGES: Mapping[str, Callable[[Snapshot, random.Random], tuple[Snapshot, set[str]]]] = {
    "price": _price,
    "demand": _demand,
    "stockout": _stockout,
    "lost cluster": _lost,
}
