"""``headrace bench generate``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Hardness(StrEnum):
    """Names of the profiles."""

    HARD = "hard"
    EASY = "easy"


def generate(
    clouds: Annotated[int, typer.Option(min=3, max=36)] = 18,
    clusters: Annotated[int, typer.Option(min=3, max=870)] = 87,
    deployments: Annotated[int, typer.Option(min=1, max=5000)] = 1000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    profile: Annotated[Hardness, typer.Option(help="hard: two replicas each, scarce; easy: about twenty each")] = Hardness.HARD,
    out: Annotated[Path | None, typer.Option(help="the document; standard output where it is left out")] = None,
    data: Annotated[Path | None, typer.Option(help="folder with catalog, traffic and egress, instead of what ships with headrace")] = None,
    solve: Annotated[bool, typer.Option("--solve", help="solve it too, for the figures on standard error")] = False,
    time_limit_s: Annotated[float, typer.Option("--time-limit-s", min=0.1, help="of that solve")] = 60.0,
    fresh: Annotated[bool, typer.Option(help="no nodes and replicas yet")] = False,
    gangs: Annotated[float, typer.Option(min=0, max=1, help="share of the models with replicas that span two nodes")] = 0.0,
) -> None:
    """Write a placement problem of real prices, throughput and traffic. The same arguments and seed give the same bytes.

    Standard error gets what the problem turned out to be, as JSON: of the plan that was planted in it, or of the solver's.
    """
    from scheduler.api.placement_document import PlacementProblem
    from scheduler.api.placement_write import text_of
    from scheduler.bootstrap.problem_file import write_file
    from simulations.bench.generate.assemble import generate as generated
    from simulations.bench.generate.profile import PROFILES, Request
    from simulations.bench.generate.properties import properties, solved_properties

    made = generated(Request(clouds, clusters, deployments, seed, PROFILES[profile.value], data, fresh, gangs))
    figures = solved_properties(made, time_limit_s, seed) if solve else properties(made, made.planted, "planted")
    text = text_of(PlacementProblem(made.snapshot, about=made.about))
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_file(out, text)
    typer.echo(json.dumps(figures), err=True)
