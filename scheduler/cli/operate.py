"""``headrace margin``, ``events`` and ``keys``: money, what happened, and access."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from scheduler.cli.client import call, out, show_json
from scheduler.domain.errors import InvalidInputError

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
keys = typer.Typer(help="API keys: stored only as hashes.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(keys, name="keys")
    app.command("margin")(margin)
    app.command("events")(events)


@keys.command("list")
def list_keys(as_json: Json = False) -> None:
    """Keys, without their secrets."""
    rows = call("GET", "/v1/keys")
    if as_json:
        show_json(rows)
        return
    table = Table("id", "role", "subject", "created", "revoked")
    for row in rows:
        table.add_row(row["id"], row["role"], row["subject"], row["created_at"][:19], (row["revoked_at"] or "")[:19])
    out.print(table)


@keys.command("create")
def create_key(
    role: Annotated[str, typer.Argument(help="viewer, operator, agent or client; client where a tenant is named")] = "",
    subject: Annotated[str, typer.Option(help="the cluster of an agent, the tenant of a client")] = "",
    tenant: Annotated[str, typer.Option(help="make a client key of this tenant, for the front door")] = "",
    as_json: Json = False,
) -> None:
    """Create a key; its secret is shown once."""
    if not role and not tenant:
        raise InvalidInputError("role", role, "is missing", "Name viewer, operator, agent or client, or give --tenant.")
    if tenant and role not in ("", "client"):
        raise InvalidInputError("tenant", tenant, f"a key of role {role} has none", "Leave out the role or the tenant.")
    role = role or "client"
    made = call("POST", "/v1/keys", body={"role": role, "subject": tenant or subject})
    show_json(made) if as_json else out.print(f"{made['key']['id']} ({role}): {made['secret']}", soft_wrap=True)


@keys.command("revoke")
def revoke_key(key_id: str) -> None:
    """Revoke a key at once."""
    call("DELETE", f"/v1/keys/{key_id}")
    out.print(f"{key_id} is revoked")


def margin(hours: Annotated[float, typer.Option(help="how far back")] = 24, as_json: Json = False) -> None:
    """Cost, revenue and margin per deployment, from metered tokens and node time."""
    rows = call("GET", "/v1/margin", params={"hours": hours})
    if as_json:
        show_json(rows)
        return
    table = Table("deployment", "requests", "input tok", "output tok", "revenue USD", "cost USD", "margin", "cost by phase")
    for row in rows:
        share = "" if row["margin"] is None else f"{row['margin']:.1%}"
        phases = ", ".join(f"{phase} {cost:.4f}" for phase, cost in row["cost_usd_by_phase"].items())
        counted = (str(row["requests"]), str(row["input_tokens"]), str(row["output_tokens"]))
        money = (f"{row['revenue_usd']:.6f}", f"{row['cost_usd']:.6f}", share, phases)
        table.add_row(row["deployment"] or "(idle)", *counted, *money)
    out.print(table)


def events(limit: Annotated[int, typer.Option(help="how many of the latest")] = 40, as_json: Json = False) -> None:
    """What happened, newest last."""
    rows = call("GET", "/v1/events", params={"limit": limit})
    if as_json:
        show_json(rows)
        return
    for row in reversed(rows):
        out.print(f"{row['at'][11:19]}  {row['kind']:<22} {row['message']}", highlight=False, soft_wrap=True)
