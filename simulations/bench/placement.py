"""Plans the demo's fleet from nothing, with reasons; the peer is greedy cheapest-first on the same snapshot."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from scheduler.api.schema import parse_fleet
from scheduler.domain.lifecycle import ClusterState
from scheduler.optimizer import SolveSettings, check, solve
from scheduler.optimizer.problem import build
from scheduler.optimizer.search import greedy_solution
from scheduler.optimizer.solve import to_target
from simulations.demo.stage import demo_fleet
from simulations.scenario import Scenario
from simulations.world import SimulatedWorld

START = datetime(2026, 7, 20, tzinfo=UTC)


async def placement() -> dict[str, Any]:
    """Figures of one run."""
    quiet = Scenario("demo fleet", START, 1, 30, ("aws", "gcp", "azure"), 0, 60, 60, 60, 600, 1800, parse_fleet(demo_fleet()), ())
    world = SimulatedWorld(quiet, seed=1)
    world.market.step(START)
    await world.start()
    world.memory.clusters = {name: replace(cluster, state=ClusterState.READY) for name, cluster in world.memory.clusters.items()}
    snapshot = await world.snapshot(START)
    times = {}
    for name, settings in (("bare", SolveSettings(explain=False)), ("explained", SolveSettings())):
        began = time.perf_counter()
        target = solve(snapshot, settings)
        times[name] = time.perf_counter() - began
    began = time.perf_counter()
    greedy = to_target(greedy_solution(build(snapshot)), 0)
    peer_s = time.perf_counter() - began
    return {
        "offers": len(snapshot.offers),
        "deployments": len(snapshot.deployments),
        "solve_s": round(times["bare"], 4),
        "solve_with_reasons_s": round(times["explained"], 4),
        "gap": target.gap,
        "violations": len(check(snapshot, target)),
        "usd_per_h": target.node_cost_micro_usd_per_h / 1e6,
        "peer": "greedy, cheapest first",
        "peer_s": round(peer_s, 4),
        "peer_usd_per_h": greedy.node_cost_micro_usd_per_h / 1e6,
        "peer_violations": len(check(snapshot, greedy)),
        "cost_ratio_to_peer": round(target.node_cost_micro_usd_per_h / max(1, greedy.node_cost_micro_usd_per_h), 4),
    }
