"""``headrace providers`` and ``headrace offers``: what could be rented, known from where and how fresh."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from scheduler.cli.client import call, out, show_json

providers = typer.Typer(help="Clouds and how well they are read.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(providers, name="providers")
    app.command("offers")(offers)


@providers.command("list")
def list_providers(as_json: Json = False) -> None:
    """Every feed: where its prices come from, how fresh they are, and what went wrong."""
    rows = call("GET", "/v1/providers")
    if as_json:
        show_json(rows)
        return
    table = Table("provider", "account", "source", "freshness", "offers", "quarantined", "last read", "problem")
    for row in rows:
        problem = row["stopped"] or row["last_error"] or ", ".join(row["failed_scopes"])
        read = (row["last_success_at"] or "never")[:19]
        table.add_row(
            row["provider"],
            row["account"],
            row["source_kind"],
            row["freshness"],
            str(row["offers"]),
            str(row["quarantined"]),
            read,
            problem,
        )
    out.print(table)


def offers(
    provider: str = "",
    region: str = "",
    accelerator: str = "",
    capacity_type: Annotated[str, typer.Option(help="on-demand, spot, reserved or capacity-block")] = "",
    text: Annotated[str, typer.Option(help="substring of the instance type")] = "",
    at: Annotated[str, typer.Option(help="the market as it was at this time (ISO 8601)")] = "",
    sort: str = "gpu_price",
    limit: int = 30,
    as_json: Json = False,
) -> None:
    """Offers, cheapest per GPU first. Every row says whether its price is live, a dated snapshot or simulated."""
    params = {
        "provider": provider, "region": region, "accelerator": accelerator, "capacity_type": capacity_type, "text": text, "at": at,
        "sort": sort, "limit": limit,
    }  # fmt: skip
    page = call("GET", "/v1/offers", params=params)
    if as_json:
        show_json(page)
        return
    table = Table("provider", "region", "instance type", "accelerator", "capacity", "USD/h", "USD/GPU·h", "stock", "source", "as of")
    for row in page["offers"]:
        table.add_row(
            row["provider"], row["region"], row["instance_type"], f"{row['accelerator_count']}×{row['accelerator']}", row["capacity_type"],
            f"{row['usd_per_h']:.4f}", f"{row['usd_per_gpu_h']:.4f}", row["availability"], row["source_kind"], row["observed_at"][:16],
        )  # fmt: skip
    out.print(table)
    out.print(f"{len(page['offers'])} of {page['total']} offers")
