"""``headrace verify``: judges a plan from documents alone. Exit code 0 verified, 1 not, 2 bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.client import ApiError, out, show_json
from scheduler.verifier import BadDocumentError, Verdict
from scheduler.verifier import verify as judge
from scheduler.verifier.search import MOST_NODES

SHOWN = 20


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("verify")(verify)


def verify(
    problem: Annotated[Path, typer.Argument(help="problem document, JSON")],
    plan: Annotated[Path, typer.Argument(help="plan document, JSON, as `headrace optimize --json` prints it")],
    certificate: Annotated[Path | None, typer.Argument(help="certificate of the lower bound, JSON")] = None,
    nodes: Annotated[int, typer.Option(min=0, help="search nodes per deployment; more make the bound tighter")] = MOST_NODES,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every rule of a plan, its cost and its lower bound, with the standard library alone.

    No solver and nothing of the planner is used: pools, options and rules are derived anew from the problem document.
    """
    texts = [_read(path) for path in (problem, plan)]
    try:
        verdict = judge(texts[0], texts[1], _read(certificate) if certificate else None, nodes)
    except BadDocumentError as error:
        raise ApiError(422, str(error)) from error
    show_json(verdict.document()) if as_json else _show(verdict)
    if not verdict.verified:
        raise typer.Exit(1)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ApiError(422, f"{path} cannot be read: {error}") from error


def _show(verdict: Verdict) -> None:
    for each in verdict.violations[:SHOWN]:
        out.print(f"[red]{each.rule}[/red] {each.subject}: {each.text}", highlight=False)
    if len(verdict.violations) > SHOWN:
        out.print(f"{len(verdict.violations) - SHOWN} more violations; --json shows them")
    if verdict.cost is not None:
        terms = ", ".join(f"{name} ${amount / 1e6:,.4f}" for name, amount in verdict.cost.items())
        out.print(f"cost: ${verdict.total / 1e6:,.4f}/h ({terms}); claimed ${verdict.plan.total / 1e6:,.4f}/h")
    if verdict.bound is not None:
        out.print(f"lower bound: ${verdict.bound.total / 1e6:,.4f}/h, gap {verdict.gap:.3%}; claimed ${verdict.claimed_bound / 1e6:,.4f}/h")
    for note in verdict.notes:
        out.print(note)
    out.print("[green]verified[/green]" if verdict.verified else f"[red]not verified[/red]: {len(verdict.violations)} violations")
