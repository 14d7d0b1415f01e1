"""``headrace optimize``: solves a placement problem that lies in a file, without a control plane."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from scheduler.cli.client import call, note, out, show_json
from scheduler.cli.comparison import WhatIf, show_comparison, show_conflict
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.plan import Target
from scheduler.domain.snapshot import Snapshot

if TYPE_CHECKING:
    from scheduler.optimizer import SolveSettings

BAD_INPUT = 2
EXPLAINED = 3
"""Deployments with unmet demand whose conflict is sought."""

SHOWN = 40
"""Placements and violations shown to people; the JSON has all of them."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("optimize")(optimize)


def optimize(
    problem: Annotated[Path | None, typer.Argument(help="a problem document, JSON")] = None,
    time_limit_s: Annotated[float, typer.Option("--time-limit-s", min=0.1, max=86_400, help="stop searching after so long")] = 60.0,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    explain: Annotated[bool, typer.Option(help="also say why not elsewhere, from re-solves")] = False,
    plan: Annotated[Path | None, typer.Option(help="write the plan document here")] = None,
    certificate: Annotated[Path | None, typer.Option(help="write the multipliers that prove the bound, for headrace verify")] = None,
    export: Annotated[Path | None, typer.Option(help="write the running control plane's fleet as a problem document, and stop")] = None,
    what_if: WhatIf = None,
    schema: Annotated[bool, typer.Option("--schema", help="print the JSON schema of problem documents, and stop")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan document.")] = False,
) -> None:
    """Solve a placement problem: placement, cost by term, proven bound, and what the independent checker says.

    With ``--what-if`` the plan is that of the changed problem, told beside the unchanged one, solved with the same settings.
    Exit code 1 where demand stays unmet or a rule is broken, 2 where the document is wrong.
    """
    try:
        if what_if and (schema or export is not None):
            remedy = "Export first, then ask of the file: headrace optimize FILE --what-if ..."
            raise InvalidInputError("--what-if", what_if[0], f"asks nothing of {'--schema' if schema else '--export'}", remedy)
        if schema:
            show_json(_schema())
        elif export is not None:
            _export(export)
        elif problem is not None:
            from scheduler.optimizer import SolveSettings

            settings = SolveSettings(time_limit_s=time_limit_s, seed=seed, explain=explain)
            _finish(_solved(problem, settings, certificate, what_if or []), plan, as_json)
        else:
            raise InvalidInputError("PROBLEM", None, "missing", "Name a problem document, or use --export or --schema.")
    except InvalidInputError as error:
        note.print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(BAD_INPUT) from error


def _schema() -> dict[str, Any]:
    from scheduler.bootstrap.problem_file import problem_schema

    return problem_schema()


def _export(path: Path) -> None:
    from scheduler.api.placement_document import problem_of
    from scheduler.bootstrap.problem_file import write_problem

    problem = problem_of(json.dumps(call("GET", "/v1/problem")))
    write_problem(problem, path)
    snapshot = problem.snapshot
    note.print(f"{len(snapshot.deployments)} deployments, {len(snapshot.clusters)} clusters, {len(snapshot.offers)} offers: {path}")


def _solved(path: Path, settings: SolveSettings, certificate: Path | None, questions: list[str]) -> dict[str, Any]:
    """Read, solve, check; the plan document. With a certificate the fleet is decomposed, whatever its size."""
    from scheduler.api.plan_document import plan_document
    from scheduler.bootstrap.problem_file import read_problem, write_file
    from scheduler.optimizer import check, compare, solve, solve_large, what_if, with_endpoints, with_modelled_shapes, with_robust

    began = perf_counter()
    problem = read_problem(path)
    if problem.objective != "cost":
        raise InvalidInputError("settings.objective", problem.objective, "is not what this version minimises", "Use cost.")
    unchanged = with_endpoints(with_robust(with_modelled_shapes(problem.snapshot)))
    snapshot = what_if(unchanged, questions)
    read = perf_counter()
    if certificate is not None:
        target, decomposed = solve_large(snapshot, settings)
        write_file(certificate, json.dumps(decomposed.certificate.as_document(), indent=1) + "\n")
    else:
        target = solve(snapshot, settings)
    solved = perf_counter()
    violations = check(snapshot, target)
    done = perf_counter()
    times = {"read": round((read - began) * 1000), "solve": round((solved - read) * 1000), "check": round((done - solved) * 1000)}
    document = plan_document(target, violations, times) | _conflicts(snapshot, target, settings)
    if not questions:
        return document
    # Both in the same way: whole or decomposed, within the same limits.
    quiet = replace(settings, explain=False)
    unchanged_target = solve(unchanged, quiet) if certificate is None else solve_large(unchanged, quiet)[0]
    return document | {"what_if": asdict(compare(questions, unchanged_target, target))}


def _conflicts(snapshot: Snapshot, target: Target, settings: SolveSettings) -> dict[str, Any]:
    """Which rules of whom cannot hold together where demand stays unmet, the most important deployments first."""
    from scheduler.optimizer import conflict

    # Finding a conflict re-solves the whole as one program, a dozen times for each deployment: only for fleets of that size.
    small = len(snapshot.deployments) * len(snapshot.offers) <= settings.whole_max
    priority = {deployment.id: deployment.priority for deployment in snapshot.deployments}
    short = sorted({each.deployment for each in target.unmet}, key=lambda name: (-priority[name], name))[:EXPLAINED]
    asked = replace(target, unmet=tuple(each for each in target.unmet if each.deployment in short))
    found = conflict(snapshot, asked, settings) if short and small else None
    return {
        "conflicts": list(found.conflicts) if found else [],
        "remedies": list(found.remedies) if found else [],
    }


def _finish(document: dict[str, Any], plan: Path | None, as_json: bool) -> None:
    from scheduler.bootstrap.problem_file import write_file

    if plan is not None:
        write_file(plan, json.dumps(document, indent=1) + "\n")
    show_json(document) if as_json else _show(document)
    if document["unmet"] or document["violations"]:
        raise typer.Exit(1)


def _show(document: dict[str, Any]) -> None:
    if "what_if" in document:
        show_comparison(document["what_if"])
    table = Table("deployment", "shape", "cluster", "offer", "replicas")
    for each in document["placements"][:SHOWN]:
        table.add_row(each["deployment"], each["shape"], each["cluster"], each["offer_id"], str(each["replicas"]))
    out.print(table)
    if len(document["placements"]) > SHOWN:
        out.print(f"{len(document['placements']) - SHOWN} more placements; --json or --plan FILE has them")
    nodes = sum(pool["nodes"] for pool in document["pools"])
    replicas = sum(each["replicas"] for each in document["placements"])
    total, bound = document["cost"]["total_micro_usd_per_h"] / 1e6, document["bound_micro_usd_per_h"] / 1e6
    for term in document["cost"]["terms"]:
        out.print(f"{term['name']:20} ${term['micro_usd_per_h'] / 1e6:,.4f}/h  {term['text']}")
    out.print(f"{replicas} replicas on {nodes} nodes: ${total:,.4f}/h, proven to be at least ${bound:,.4f}/h (gap {document['gap']:.3%})")
    times = ", ".join(f"{phase} {ms} ms" for phase, ms in document["times_ms"].items())
    out.print(f"{document['status']}; {times}")
    for each in document["unmet"][:SHOWN]:
        out.print(f"[red]unmet[/red] {each['deployment']}: {each['tokens_per_s']:.1f} tokens/s ({each['origin']})")
    show_conflict(document)
    for each in document["violations"][:SHOWN]:
        out.print(f"[red]violation[/red] {each['rule']} {each['subject']}: {each['text']}")
