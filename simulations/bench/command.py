"""``headrace bench``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from simulations.bench.generate.command import generate

command = typer.Typer(help="Measure headrace on this machine, against a named peer in the same run.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

command.command("generate")(generate)


@command.command("inventory")
def inventory(
    rows: Annotated[int, typer.Option(min=1000)] = 100_000,
    polls: Annotated[int, typer.Option(min=1, max=20)] = 4,
    replay: Annotated[Path | None, typer.Option(help="a folder of GPU market snapshots (JSON lines, xz) to replay")] = None,
    as_json: Json = False,
) -> None:
    """Ingest offers into a fresh embedded Postgres, with history; the peer is executemany with ON CONFLICT, without history."""
    from simulations.bench.inventory import run

    _show(asyncio.run(run(rows, polls, replay)), as_json)


@command.command("supply")
def supply(rows: Annotated[int, typer.Option(min=1000, help="offers over all clouds")] = 50_000, as_json: Json = False) -> None:
    """Refresh all clouds at once from fakes with a vendor's latency; the peer is the vendors' own rate limits."""
    from simulations.bench.supply import run

    _show(asyncio.run(run(rows)), as_json)


@command.command("placement")
def placement(as_json: Json = False) -> None:
    """Plan the demo's fleet from nothing, with reasons; the peer is greedy cheapest-first on the same snapshot."""
    from simulations.bench.placement import placement

    _show(asyncio.run(placement()), as_json)


@command.command("performance")
def performance(
    sample: Annotated[Path | None, typer.Option(help="silicon_sample.csv of aiconfigurator: rebuild the shipped table from it")] = None,
    as_json: Json = False,
) -> None:
    """Fit the roofline to the measured shapes; the peer is measurement itself, for a GPU type that the fit has not seen."""
    from scheduler.optimizer.performance import performance_table
    from simulations.bench.performance import read_sample, table_rows, write_table
    from simulations.bench.roofline import figures

    measured = read_sample(sample) if sample is not None else performance_table()
    if sample is not None:
        write_table(table_rows(measured))
        performance_table.cache_clear()
    _show(figures(performance_table(), measured), as_json)


def _show(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        typer.echo(f"{name:32} {value}")
