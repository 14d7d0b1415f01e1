"""The answer to what-if questions, as people read it: cost and proof without and with the change, what moves, what is lacking."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from scheduler.cli.client import out
from scheduler.domain.units import HOURS_PER_MONTH

WhatIf = Annotated[
    list[str] | None,
    typer.Option("--what-if", help='suppose a change, such as "lose provider:aws" or "price h100 +20%"; repeat it for several, in order'),
]
SHOWN = 40
"""Shifts shown to people; the JSON has all of them."""


def show_comparison(told: dict[str, Any]) -> None:
    """The sentence first, then its figures."""
    out.print(f"[bold]{escape(told['text'])}[/bold]")
    before, after = told["cost_before_micro_usd_per_h"] / 1e6, told["cost_after_micro_usd_per_h"] / 1e6
    month = (after - before) * HOURS_PER_MONTH
    out.print(f"cost: ${before:,.4f}/h → ${after:,.4f}/h (${month:+,.2f} per month), expected interruptions and starts included")
    bounds = (f"${told[f'bound_{side}_micro_usd_per_h'] / 1e6:,.4f}/h (gap {told[f'gap_{side}']:.3%})" for side in ("before", "after"))
    out.print(f"proven to be at least: {' → '.join(bounds)}")
    if not told["shifts"]:
        out.print("Nothing moves: the same placement is the best with and without the change.")
    table = Table("", "deployment", "cluster", "offer", "replicas")
    for each in told["shifts"][:SHOWN]:
        sign = "[green]+[/green]" if each["after"] > each["before"] else "[red]-[/red]"
        table.add_row(sign, each["deployment"], each["cluster"], each["offer_id"], f"{each['before']} → {each['after']}")
    if told["shifts"]:
        out.print(table)
    if len(told["shifts"]) > SHOWN:
        out.print(f"{len(told['shifts']) - SHOWN} more placements differ; --json has them")
    for each in told["unmet"]:
        out.print(f"[red]unmet[/red] {each['deployment']}: {each['before']:.1f} → {each['after']:.1f} ({each['what']})")


def show_conflict(told: dict[str, Any]) -> None:
    """Why not everything can be met, and what would resolve it."""
    for text in told["conflicts"]:
        out.print(f"[red]conflict[/red] {text}")
    for text in told["remedies"]:
        out.print(f"[yellow]remedy[/yellow] {text}")
