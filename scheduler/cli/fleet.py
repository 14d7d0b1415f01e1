"""``headrace status``, ``clusters``, ``deployments``, ``cordon``, ``drain``, ``uncordon``: what runs, and people's hands on it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from scheduler.bootstrap.roster import read_rosters
from scheduler.cli.client import ApiError, call, out, run_dirs, show_json
from scheduler.domain.errors import HeadraceError

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
clusters = typer.Typer(help="Clusters: one Ray control domain each.", no_args_is_help=True)
deployments = typer.Typer(help="Deployments: the desired serving of models.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("status")(status)
    app.add_typer(clusters, name="clusters")
    app.add_typer(deployments, name="deployments")
    for name in ("cordon", "drain", "uncordon"):
        app.command(name, help=_HELP[name])(_setter(name))


_HELP = {
    "cordon": "No new placements on a cluster; what runs there stays.",
    "drain": "Move everything off a cluster, make before break.",
    "uncordon": "Open a cluster again.",
}


def _setter(verb: str) -> Any:
    def change(cluster: str, as_json: Json = False) -> None:
        changed = call("POST", f"/v1/clusters/{cluster}/{verb}")
        show_json(changed) if as_json else out.print(f"cluster {cluster} is now {changed['schedulability']}")

    return change


def status(as_json: Json = False) -> None:
    """Every process of the headrace that runs here (role, pid, port, URL), and how the fleet stands."""
    processes = [asdict(entry) for folder in run_dirs() for roster in read_rosters(folder)[:1] for entry in roster.processes]
    try:
        fleet = call("GET", "/v1/status")
    except (ApiError, HeadraceError) as error:
        fleet = {"error": str(error)}
    if as_json:
        show_json({"processes": processes, "fleet": fleet})
        return
    table = Table("role", "name", "pid", "port", "URL", "restarts")
    for row in processes:
        table.add_row(row["role"], row["name"], str(row["pid"]), str(row["port"] or ""), row["url"], str(row["restarts"]))
    out.print(table)
    if "error" in fleet:
        out.print(f"[yellow]{fleet['error']}[/yellow]")
        return
    replicas = ", ".join(f"{count} {state}" for state, count in sorted(fleet["replicas"].items())) or "none"
    out.print(f"replicas: {replicas} · nodes: {fleet['nodes']} · ${fleet['usd_per_h']:.4f}/h · leader epoch {fleet['epoch']}")
    out.print(f"prompts: {fleet['front_door']}/v1/chat/completions")


@clusters.command("list")
def list_clusters(as_json: Json = False) -> None:
    """Clusters with state, nodes, replicas and cost."""
    rows = call("GET", "/v1/clusters")
    if as_json:
        show_json(rows)
        return
    table = Table("cluster", "provider", "region", "state", "schedulability", "nodes", "ready", "in flight", "USD/h")
    for row in rows:
        cluster = row["cluster"]
        table.add_row(
            cluster["id"], cluster["provider"], cluster["region"], cluster["state"], cluster["schedulability"], str(row["nodes"]),
            str(row["ready_replicas"]), str(row["in_flight"]), f"{row['usd_per_h']:.4f}",
        )  # fmt: skip
    out.print(table)


@deployments.command("list")
def list_deployments(as_json: Json = False) -> None:
    """Deployments with their replicas."""
    rows = call("GET", "/v1/deployments")
    if as_json:
        show_json(rows)
        return
    placed = call("GET", "/v1/placements")
    table = Table("deployment", "model", "replicas", "where", "demand tok/s", "rules")
    for row in rows:
        mine = [each for each in placed if each["deployment"] == row["id"]]
        ready = sum(each["state"] == "ready" for each in mine)
        where = ", ".join(sorted({each["cluster"] for each in mine}))
        demand = sum(each["tokens_per_s"] for each in row["demand"])
        table.add_row(row["id"], row["model"], f"{ready} ready of {len(mine)}", where, f"{demand:g}", _rules(row["rules"]))
    out.print(table)


def _rules(rules: dict[str, Any]) -> str:
    parts = []
    if rules["survivability"]:
        parts.append(f"survives any {rules['survivability']['domain']} at {rules['survivability']['share']:.0%}")
    if rules["spot_ceiling"] < 1:
        parts.append(f"spot ≤ {rules['spot_ceiling']:.0%}")
    parts += [f"{name}: {', '.join(rules[name])}" for name in ("providers", "regions", "jurisdictions", "capacity_types") if rules[name]]
    return "; ".join(parts)


@deployments.command("scale")
def scale(
    deployment: str, min_replicas: Annotated[int, typer.Option("--min")], max_replicas: Annotated[int, typer.Option("--max")]
) -> None:
    """Set the bounds between which demand decides."""
    call("POST", f"/v1/deployments/{deployment}/scale", body={"min_replicas": min_replicas, "max_replicas": max_replicas})
    out.print(f"{deployment} is scaled to {min_replicas}..{max_replicas} replicas")


@deployments.command("delete")
def delete(deployment: str) -> None:
    """Stop serving it; its replicas drain."""
    call("DELETE", f"/v1/deployments/{deployment}")
    out.print(f"{deployment} was deleted; its replicas drain")
