"""``headrace bench``."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.domain.errors import InvalidInputError
from simulations.bench.generate.command import Hardness, generate

command = typer.Typer(help="Measure headrace on this machine, against a named peer in the same run.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

PEER_SEED = 1
"""Given to every peer that draws numbers."""

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


@command.command("edge")
def edge(
    deployments: Annotated[int, typer.Option(min=1, max=20_000, help="models that the front door knows")] = 1000,
    seconds: Annotated[float, typer.Option(min=0.5, help="of each sample")] = 4.0,
    rounds: Annotated[int, typer.Option(min=1, max=50)] = 3,
    as_json: Json = False,
) -> None:
    """The front door with every feature on; the peer is bare Envoy with one static cluster."""
    from simulations.bench.edge import run

    _show(run(deployments, seconds, rounds), as_json)


@command.command("placement")
def placement(
    size: Annotated[list[str] | None, typer.Option(help="CLOUDSxCLUSTERSxDEPLOYMENTS of a generated problem; repeatable")] = None,
    profile: Annotated[Hardness, typer.Option(help="of the generated problems")] = Hardness.HARD,
    seconds: Annotated[list[float] | None, typer.Option(min=0.1, help="time limit of a solve, 60 if left out; repeatable")] = None,
    growth: Annotated[bool, typer.Option("--growth", help="also time against size, by the last time limit")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    data: Annotated[Path | None, typer.Option(help="folder with catalog, traffic and egress, instead of what ships with headrace")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="no nodes and replicas yet")] = False,
    report: Annotated[Path | None, typer.Option(file_okay=False, help="folder for optimizer-levels.md and its plot")] = None,
    as_json: Json = False,
) -> None:
    """Plan the demo's fleet, and generated ones of any size; the peer is greedy cheapest-first on the same snapshot."""
    from simulations.bench import levels
    from simulations.bench.generate.profile import PROFILES, Request
    from simulations.bench.placement import placement

    try:
        requests = [Request(*levels.size_of(each), seed, PROFILES[profile.value], data, fresh) for each in size or ()]
        limits = seconds or [60.0]
        figures: dict[str, Any] = {"demo": asyncio.run(placement())}
        if requests:
            figures["levels"] = levels.levels(requests, limits)
        if growth:
            base = requests[0] if requests else Request(*levels.USUAL, seed, PROFILES[profile.value], data, fresh)
            figures["growth"] = levels.growth(base, limits[-1])
    except InvalidInputError as error:
        raise typer.BadParameter(str(error)) from error
    if report is not None:
        from simulations.bench.levels_report import write

        write(figures, report)
    _show(figures, as_json)


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


@command.command("spot")
def spot(
    windows: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="archive of spot windows, tar.xz")],
    wanted: Annotated[int, typer.Option(min=1, help="replicas that shall be ready")] = 4,
    start_s: Annotated[float, typer.Option(min=1, help="seconds from launch to ready")] = 240.0,
    on_demand_usd: Annotated[float, typer.Option(min=0.01, help="on-demand price of a node, USD per hour")] = 3.06,
    as_json: Json = False,
) -> None:
    """Replay spot decisions on recorded availability; the peers are on-demand, the cheapest zone, SpotHedge and a clairvoyant floor."""
    from simulations.bench.spot.replay import Terms
    from simulations.bench.spot.run import spot

    _show(spot(windows, Terms(wanted, start_s, round(on_demand_usd * 1e6))), as_json)


@command.command("peers")
def peers(
    problems: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="problem documents, JSON")],
    seconds: Annotated[float, typer.Option(min=1, help="time limit of each peer on each problem")] = 60.0,
    peer: Annotated[list[str] | None, typer.Option(help="only these peers, by name")] = None,
    report: Annotated[Path | None, typer.Option(exists=True, file_okay=False, help="write peers.md and its plots into this folder")] = None,
    as_json: Json = False,
) -> None:
    """Place the same problems with other people's optimizers, each in its own environment, and judge all by the verifier."""
    from simulations.bench.peers.report import write
    from simulations.bench.peers.run import peers

    figures = peers(problems, seconds, PEER_SEED, peer or ())
    if report is not None:
        write(figures, report)
    _show(figures, as_json)


@command.command("chaos")
def chaos(
    only: Annotated[list[str] | None, typer.Option(help="only this row; repeatable")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="less load, shorter")] = False,
    as_json: Json = False,
) -> None:
    """Break replicas, relays and edges under streams that are checked word by word; each row has a level and says pass or miss."""
    import structlog
    import uvloop

    from simulations.chaos.run import chaos

    # Standard output holds the figures and nothing else.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        figures = uvloop.run(chaos(only or (), quick=quick))
    except InvalidInputError as error:
        raise typer.BadParameter(str(error)) from error
    _show(figures, as_json)


def _show(figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
        return
    for name, value in _flat(figures):
        typer.echo(f"{name:32} {value}")


def _flat(figures: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every figure with the names that lead to it."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}, ")
        else:
            yield f"{before}{name}", value
