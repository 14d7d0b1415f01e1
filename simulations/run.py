"""One run: tick by tick, invariants after each, figures at the end."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from scheduler.domain.errors import HeadraceError, NoSuchError
from scheduler.domain.events import EventKind
from scheduler.domain.lifecycle import MoveState, NodeState
from simulations.checkers import broken
from simulations.scenario import HappeningIn, Scenario
from simulations.world import SimulatedWorld

PAID = frozenset({NodeState.JOINING, NodeState.READY, NodeState.INTERRUPTED, NodeState.TERMINATING, NodeState.LOST})


class InvariantError(HeadraceError):
    """A safety invariant broke: a bug. The message names the tick; the seed replays it."""


@dataclass
class Figures:
    """What a run cost and gave.

    Attributes:
        availability: by deployment, share of demand that was served, over time. worst: its least value at any tick after warm-up.
        fingerprint: hash over all events; equal runs have equal ones.
    """

    title: str
    seed: int
    hours: float
    ticks: int = 0
    cost_usd: float = 0.0
    cost_usd_all_on_demand: float = 0.0
    availability: dict[str, float] = field(default_factory=dict)
    worst: dict[str, float] = field(default_factory=dict)
    moves: dict[str, int] = field(default_factory=dict)
    moves_failed: int = 0
    plans: int = 0
    interruptions: int = 0
    launches_refused: int = 0
    fingerprint: str = ""
    timeline: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def run(scenario: Scenario, seed: int) -> Figures:
    """Play a scenario.

    Raises:
        InvariantError: a safety invariant broke.
    """
    world = SimulatedWorld(scenario, seed)
    await world.start()
    figures = Figures(scenario.title, seed, scenario.hours)
    waiting = list(scenario.happenings)
    ticks = round(scenario.hours * 3600 / scenario.tick_s)
    warm_up = round((scenario.join_s + scenario.engine_start_s) * 2 / scenario.tick_s) + 4
    sums: Counter[str] = Counter()
    for tick in range(ticks):
        hour = tick * scenario.tick_s / 3600
        while waiting and waiting[0].at_h <= hour:
            _happen(world, waiting.pop(0))
        await world.tick()
        wrong = broken(world)
        if wrong:
            raise InvariantError(f"tick {tick} (hour {hour:.2f}, seed {seed}): {'; '.join(wrong)}")
        served = _served(world)
        if tick >= warm_up:
            for name, share in served.items():
                sums[name] += share  # type: ignore[assignment]
                figures.worst[name] = min(figures.worst.get(name, 1.0), round(share, 4))
        _bill(world, figures)
        if tick % max(1, round(3600 / scenario.tick_s)) == 0:
            figures.timeline.append(_picture(world, hour, served))
    counted = max(1, ticks - warm_up)
    figures.ticks = ticks
    figures.availability = {name: round(total / counted, 6) for name, total in sums.items()}
    _count(world, figures)
    return figures


def _happen(world: SimulatedWorld, happening: HappeningIn) -> None:
    market = world.market
    try:
        match happening.do:
            case "stockout":
                market.stockout(happening.match)
            case "restock":
                market.restock(happening.match)
            case "price":
                market.pin_price(happening.match, factor=1 + happening.percent / 100)
            case "interrupt":
                market.interrupt(happening.match, world.now, happening.notice_s)
            case "reclaim":
                market.reclaim(happening.match, world.now)
    except NoSuchError:
        return  # nothing runs there at the moment


def _served(world: SimulatedWorld) -> dict[str, float]:
    have = world.capacity()
    return {d.id: min(1.0, have[d.id] / d.tokens_per_s) if d.tokens_per_s else 1.0 for d in world.workload.deployments}


def _bill(world: SimulatedWorld, figures: Figures) -> None:
    hours = world.scenario.tick_s / 3600
    for node in world.memory.nodes.values():
        if node.state in PAID:
            figures.cost_usd += node.price_micro_usd_per_h / 1e6 * hours
            figures.cost_usd_all_on_demand += _on_demand(world, node.offer_id, node.price_micro_usd_per_h) / 1e6 * hours


def _on_demand(world: SimulatedWorld, offer_id: str, price: int) -> int:
    """List price of the same machine without spot, for comparison."""
    try:
        return world.market.offer(offer_id.rsplit("/", 1)[0] + "/on-demand").price_micro_usd_per_h
    except NoSuchError:
        return price


def _picture(world: SimulatedWorld, hour: float, served: dict[str, float]) -> dict[str, Any]:
    paid = [node for node in world.memory.nodes.values() if node.state in PAID]
    return {
        "hour": round(hour, 2),
        "usd_per_h": round(sum(node.price_micro_usd_per_h for node in paid) / 1e6, 4),
        "nodes": dict(sorted(Counter(f"{node.cluster}/{node.capacity_type.value}" for node in paid).items())),
        "served": {name: round(share, 3) for name, share in served.items()},
    }


def _count(world: SimulatedWorld, figures: Figures) -> None:
    moves = world.memory.all_moves.values()
    figures.moves = dict(sorted(Counter(move.kind.value for move in moves if move.state is MoveState.STOPPED).items()))
    figures.moves_failed = sum(move.state is MoveState.FAILED for move in moves)
    figures.plans = len(world.memory.all_plans)
    figures.interruptions = sum(event.kind is EventKind.INTERRUPTION_NOTICE for event in world.memory.log)
    figures.launches_refused = sum(event.kind is EventKind.STOCKOUT for event in world.memory.log)
    story = "\n".join(f"{event.at.isoformat()} {event.kind.value} {event.subject} {event.message}" for event in world.memory.log)
    figures.fingerprint = hashlib.sha256(story.encode()).hexdigest()[:16]
    figures.cost_usd, figures.cost_usd_all_on_demand = round(figures.cost_usd, 4), round(figures.cost_usd_all_on_demand, 4)
