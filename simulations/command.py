"""``headrace simulate SCENARIO``: the control loop on a fake clock in a seeded market."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Annotated

import typer


def command(
    scenario: Annotated[str, typer.Argument(help="a scenario's name, or a path to a .toml file; `list` shows the names")],
    seed: Annotated[int, typer.Option(help="the same seed replays the same run")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Play a day in seconds: same loop, optimizer, planner and reconciler as in production, invariants checked at every tick."""
    import structlog

    from simulations.run import run
    from simulations.scenario import known_scenarios, load_scenario

    if scenario == "list":
        typer.echo("\n".join(known_scenarios()))
        return
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    loaded = load_scenario(scenario)
    began = time.monotonic()
    figures = asyncio.run(run(loaded, seed))
    if as_json:
        typer.echo(json.dumps(figures.as_json()))
        return
    typer.echo(f"{loaded.title} (seed {seed}, {figures.hours:g} h in {figures.ticks} ticks, played in {time.monotonic() - began:.1f} s)")
    for row in figures.timeline:
        served = ", ".join(f"{name} {share:.0%}" for name, share in row["served"].items())
        nodes = ", ".join(f"{count}× {name}" for name, count in row["nodes"].items())
        typer.echo(f"  h {row['hour']:5.1f}  ${row['usd_per_h']:.3f}/h  {served:<28} {nodes}")
    saved = 1 - figures.cost_usd / figures.cost_usd_all_on_demand if figures.cost_usd_all_on_demand else 0
    typer.echo(f"cost ${figures.cost_usd:.2f} ({saved:.0%} below the same machines on demand at ${figures.cost_usd_all_on_demand:.2f})")
    for name, share in figures.availability.items():
        typer.echo(f"availability {name}: {share:.4%} of demand over time, worst moment {figures.worst[name]:.0%}")
    moves = ", ".join(f"{count} {kind}" for kind, count in figures.moves.items())
    typer.echo(f"moves: {moves}, {figures.moves_failed} failed, in {figures.plans} plans; {figures.interruptions} interruptions, ")
    typer.echo(
        f"{figures.launches_refused} refused launches; safety invariants held at all {figures.ticks} ticks; run {figures.fingerprint}"
    )
