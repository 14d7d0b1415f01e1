"""``headrace bench``: figures as ratios against a named peer, measured in one run on this machine."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scheduler.domain.offer import Offer

command = typer.Typer(help="Measure headrace on this machine, against a named peer in the same run.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
START = datetime(2026, 7, 20, tzinfo=UTC)


@command.command("inventory")
def inventory(
    rows: Annotated[int, typer.Option(min=1000)] = 100_000, polls: Annotated[int, typer.Option(min=1, max=20)] = 4, as_json: Json = False
) -> None:
    """Ingest offers into a fresh embedded Postgres, with history; the peer is executemany with ON CONFLICT, without history."""
    from scheduler.store.embedded import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="hr-") as folder, EmbeddedPostgres(Path(folder) / "d", Path(folder) / "s") as postgres:
        _show(asyncio.run(_inventory(postgres.dsn, rows, polls)), as_json)


async def _inventory(dsn: str, rows: int, polls: int) -> dict[str, Any]:
    from scheduler.domain.ports import OfferPage
    from scheduler.store import open_store
    from scheduler.store.yardstick import upsert_plainly

    seeded = random.Random(1)  # noqa: S311 (a benchmark's input)
    offers = _many(rows)
    store = await open_store(dsn)
    seconds, changed = [], 0
    for poll in range(polls + 1):
        at = START + timedelta(minutes=poll)
        began = time.perf_counter()
        report = await store.offers.ingest("bench", "default", OfferPage("all", tuple(offers), complete=True), at)
        seconds.append(time.perf_counter() - began)
        changed = report.price_changes
        offers = [replace(o, price_micro_usd_per_h=o.price_micro_usd_per_h + 1) if seeded.random() < 0.05 else o for o in offers]
    await store.close()
    await asyncio.to_thread(upsert_plainly, dsn, offers)
    began = time.perf_counter()
    await asyncio.to_thread(upsert_plainly, dsn, offers)
    peer = time.perf_counter() - began
    steady = min(seconds[1:])
    return {
        "rows": rows,
        "first_rows_per_s": round(rows / seconds[0]),
        "steady_rows_per_s": round(rows / steady),
        "steady_rows_per_s_worst": round(rows / max(seconds[1:])),
        "price_changes_per_poll": changed,
        "peer": "psycopg executemany, INSERT ON CONFLICT DO UPDATE, no history",
        "peer_rows_per_s": round(rows / peer),
        "ratio_to_peer": round(peer / steady, 2),
    }


def _many(rows: int) -> list[Offer]:
    """The bundled list prices, repeated in made-up zones until there are enough."""
    from providers.simulated.base import base_offers

    base = base_offers()
    return [replace(base[index % len(base)], zone=f"z{index // len(base)}-{base[index % len(base)].zone}") for index in range(rows)]


@command.command("placement")
def placement(as_json: Json = False) -> None:
    """Plan the demo's fleet from nothing, with reasons; the peer is greedy cheapest-first on the same snapshot."""
    _show(asyncio.run(_placement()), as_json)


async def _placement() -> dict[str, Any]:
    from scheduler.api.schema import parse_fleet
    from scheduler.domain.lifecycle import ClusterState
    from scheduler.optimizer import SolveSettings, check, solve
    from scheduler.optimizer.problem import build
    from scheduler.optimizer.search import greedy_solution
    from scheduler.optimizer.solve import to_target
    from simulations.demo.stage import demo_fleet
    from simulations.scenario import Scenario
    from simulations.world import SimulatedWorld

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


def _show(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        typer.echo(f"{name:26} {value}")
