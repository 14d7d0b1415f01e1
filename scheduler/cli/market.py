"""``headrace providers`` and ``headrace offers``: what could be rented, known from where and how fresh."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from scheduler.cli.client import call, out, show_json
from scheduler.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from scheduler.bootstrap.settings import ProviderIn

providers = typer.Typer(help="Clouds and how well they are read.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(providers, name="providers")
    app.command("offers")(offers)


@providers.command("list")
def list_providers(
    problems: Annotated[bool, typer.Option("--problems", help="Show the rows that could not be trusted, and why.")] = False,
    as_json: Json = False,
) -> None:
    """Every feed: where its prices come from, how fresh they are, how its adapter was proved, and what went wrong."""
    rows = call("GET", "/v1/providers/problems" if problems else "/v1/providers")
    if as_json:
        show_json(rows)
        return
    if problems:
        _show_problems(rows)
        return
    table = Table("provider", "account", "source", "freshness", "target", "offers", "quarantined", "last read", "proved", "problem")
    for row in rows:
        problem = row["stopped"] or row["last_error"] or ", ".join(row["failed_scopes"])
        read = (row["last_success_at"] or "never")[:19]
        table.add_row(
            row["provider"],
            row["account"],
            row["source_kind"],
            row["freshness"],
            f"{row['target_s']} s",
            str(row["offers"]),
            str(row["quarantined"]),
            read,
            row["proved"] or "-",
            problem,
        )
    out.print(table)


def _show_problems(rows: list[dict[str, Any]]) -> None:
    table = Table("provider", "scope", "row", "reason", "seen")
    for row in rows:
        told = row["quarantined"]
        table.add_row(row["feed"], told["scope"], told["row"], told["reason"], row["at"][:16])
    out.print(table)
    out.print(f"{len(rows)} rows quarantined; their former prices are kept until a complete reading no longer lists them")


@providers.command("check")
def check(
    name: Annotated[str, typer.Argument(help="name of a configured provider")],
    account: str = "default",
    config: Annotated[Path | None, typer.Option(help="settings file; HEADRACE_CONFIG by default")] = None,
    as_json: Json = False,
) -> None:
    """Try every read of one provider with its real credentials, and say plainly what works. Changes nothing."""
    from scheduler.bootstrap.settings import load_settings

    configured = {(given.name, given.account): given for given in load_settings(config).providers}
    if (name, account) not in configured:
        known = ", ".join(f"{each} (account {of})" for each, of in configured) or "none"
        raise InvalidInputError("name", name, "no such provider is configured", f"Configured: {known}.")
    raise typer.Exit(try_reads(configured[name, account], as_json=as_json))


def try_reads(given: ProviderIn, *, as_json: bool = False) -> int:
    """Try every read of a provider and show what works; the exit code."""
    from scheduler.bootstrap.check import Outcome, check_provider
    from scheduler.bootstrap.registry import load_provider
    from scheduler.bootstrap.wire import system_clock
    from scheduler.inventory.pace import LocalPace

    provider = load_provider(given.as_settings(), os.environ, system_clock, LocalPace())
    verdicts = asyncio.run(check_provider(provider))
    if as_json:
        show_json([asdict(verdict) for verdict in verdicts])
    else:
        table = Table("capability", "verdict", "detail", "missing permission")
        for verdict in verdicts:
            table.add_row(verdict.capability, verdict.outcome.value, verdict.detail, verdict.missing or "-")
        out.print(table)
    return 0 if all(verdict.outcome in (Outcome.WORKS, Outcome.NOT_OFFERED) for verdict in verdicts) else 1


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
