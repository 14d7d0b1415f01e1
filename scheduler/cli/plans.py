"""``headrace plan``, ``apply``, ``explain``: what would change, at what cost, and why."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from scheduler.cli.client import ApiError, answers, call, note, out, read_document, show_json
from scheduler.cli.comparison import WhatIf, show_comparison, show_conflict

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[Path | None, typer.Option("-f", "--file", help="fleet file, YAML or TOML")]
POLL_S = 0.5
QUIET_POLLS = 6


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("plan")(plan)
    app.command("apply")(apply)
    app.command("explain")(explain)


def plan(file: File = None, what_if: WhatIf = None, as_json: Json = False) -> None:
    """Show what would change, with cost per month before and after and the reasons. Changes nothing.

    With ``--what-if`` the answer stands beside the best plan of the world as it is, solved with the same settings: "lose provider:aws"
    (or region:, zone:, cluster:), "price h100 +20%", "quota aws/default/us-east-1 +8", "stock aws/default =0", "demand chat x2",
    "without chat: survivability".

    Where no control plane runs, a fleet file is planned in this process, against the configured feeds (by default the bundled,
    dated list prices).
    """
    document = read_document(file) if file else None
    questions = what_if or []
    if document is not None and not answers():
        note.print("no control plane runs here: planning against the configured feeds, by default the bundled list prices")
        preview = _offline(document, questions)
    else:
        preview = call("POST", "/v1/plans/preview", body=_asked(document, questions))
    show_json(preview) if as_json else _show(preview)
    if preview["conflicts"]:
        raise typer.Exit(1)


def _asked(document: Any, questions: list[str]) -> Any:
    """The body of a preview. What is no fleet file at all goes as it is, for the control plane to say what is wrong with it."""
    if not questions or not isinstance(document, dict | None):
        return document
    return {**(document or {}), "what_if": questions}


def _offline(document: Any, questions: list[str]) -> Any:
    from scheduler.bootstrap.offline import offline_preview
    from scheduler.bootstrap.settings import load_settings

    return asyncio.run(offline_preview(document, load_settings(None), questions))


def _show(preview: dict[str, Any]) -> None:
    if preview["what_if"] is not None:
        show_comparison(preview["what_if"])
        show_conflict(preview)
        return
    shown = preview["plan"]
    target = shown["target"]
    if not shown["moves"] and not shown["releases"]:
        out.print("Nothing to change: what runs is the best placement under the rules.")
    table = Table("", "deployment", "from", "to", "why")
    new = {replica["id"]: replica for replica in shown["new_replicas"]}
    for move in shown["moves"]:
        arrives = new.get(move["new_replica"])
        sign = {"start": "[green]+[/green]", "stop": "[red]-[/red]", "migrate": "[cyan]~[/cyan]"}[move["kind"]]
        table.add_row(sign, move["deployment"], move["old_replica"], f"{arrives['cluster']}" if arrives else "", move["reason"])
    if shown["moves"]:
        out.print(table)
    for node in shown["new_nodes"]:
        out.print(f"[green]+ node[/green] {node['offer_id']} in {node['cluster']}")
    for node in shown["releases"]:
        out.print(f"[red]- node[/red] {node}")
    before, after = preview["usd_per_month_before"], preview["usd_per_month_after"]
    out.print(f"cost: ${before:,.2f} → ${after:,.2f} per month (${after - before:+,.2f})")
    out.print(f"{target['status']}, gap {target['gap']:.3%}, solved in {target['solve_ms']} ms; gate: {shown['gate']['text']}")
    for reason in target["reasons"]:
        if reason["verdict"] == "chosen":
            out.print(f"  [bold]{reason['deployment']}[/bold] on {reason['offer_id']}: {reason['text']}")
    show_conflict(preview)
    if preview["stored"]:
        out.print(f"apply it with: headrace apply {shown['id']}")


def apply(
    plan_id: Annotated[str, typer.Argument(help="a proposed plan")] = "",
    file: File = None,
    force: Annotated[bool, typer.Option(help="accept that demand stays unmet")] = False,
    as_json: Json = False,
) -> None:
    """Carry out a proposed plan, or declare a fleet file and follow what the loop does about it."""
    if file is not None:
        document = read_document(file)
        preview = call("POST", "/v1/plans/preview", body=document)
        if preview["conflicts"] and not force:
            raise ApiError(409, "nothing was changed; " + "; ".join([*preview["conflicts"], *preview["remedies"]]))
        known = {move["id"] for move in call("GET", "/v1/migrations", params={"limit": 1000})}
        call("PUT", "/v1/fleet", body=document)
        ended = _follow("", known)
    elif plan_id:
        call("POST", f"/v1/plans/{plan_id}/apply", params={"force": force})
        ended = _follow(plan_id, set())
    else:
        raise ApiError(422, "name a plan, or a fleet file with -f; `headrace plan` makes one")
    show_json(ended) if as_json else out.print(f"{sum(m['state'] == 'stopped' for m in ended)} of {len(ended)} moves done")
    if any(move["state"] == "failed" for move in ended):
        raise typer.Exit(1)


def _follow(plan_id: str, known: set[str]) -> list[dict[str, Any]]:
    """Show the moves until they have all ended. Without a plan id: whatever is not ``known``, until the loop has nothing more to do."""
    quiet = 0
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} moves"), console=out) as bar:
        task = bar.add_task("waiting for the loop", total=1)
        while True:
            moves = [m for m in call("GET", "/v1/migrations", params={"plan": plan_id, "limit": 1000}) if m["id"] not in known]
            ended = [move for move in moves if move["state"] in ("stopped", "failed", "cancelled")]
            under_way = [move for move in moves if move not in ended]
            text = ", ".join(f"{m['deployment']} {m['state']}" for m in under_way[:3]) or ("done" if moves else "waiting for the loop")
            bar.update(task, description=text, total=max(1, len(moves)), completed=len(ended))
            busy = bool(under_way) or (plan_id != "" and call("GET", f"/v1/plans/{plan_id}")["state"] == "applying")
            quiet = 0 if busy else quiet + 1
            if quiet > (0 if plan_id else QUIET_POLLS):
                return moves
            time.sleep(POLL_S)


def explain(
    deployment: Annotated[str, typer.Argument(help="a deployment; all of them where it is left out")] = "",
    plan_id: Annotated[str, typer.Option("--plan", help="the reasons recorded with a plan instead of a fresh solve")] = "",
    limit: Annotated[int, typer.Option(help="rejected offers shown")] = 25,
    as_json: Json = False,
) -> None:
    """Why here, why not there, and what would change it: with numbers from re-solves."""
    path = f"/v1/plans/{plan_id}/explain" if plan_id else "/v1/explain"
    told = call("GET", path, params={"deployment": deployment})
    if as_json:
        show_json(told)
        return
    table = Table("", "deployment", "offer", "rule", "why", "what would change it")
    no = 0
    for reason in told["reasons"]:
        chosen = reason["verdict"] == "chosen"
        no += not chosen
        if chosen or no <= limit:
            verdict = "[green]yes[/green]" if chosen else "no"
            table.add_row(verdict, reason["deployment"], reason["offer_id"], reason["rule"], reason["text"], reason["would_change"])
    out.print(table)
    if no > limit:
        out.print(f"{no - limit} more offers were rejected; --limit shows them")
    for binding in told["bindings"]:
        out.print(f"[yellow]binding[/yellow] {binding['text']}")
    for unmet in told["unmet"]:
        out.print(f"[red]unmet[/red] {unmet['deployment']}: {unmet['tokens_per_s']:.1f} ({unmet['origin']})")
    out.print(f"cost ${told['cost_usd_per_h']:.4f}/h, proven to be at least ${told['bound_usd_per_h']:.4f}/h (gap {told['gap']:.3%})")
