"""``headrace providers prove``: an adapter against a fake of its cloud, beside the vendor's own SDK, under every fault."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from simulations.vendors.fake import Fake
    from simulations.vendors.proof import ProofReport


def command(
    names: Annotated[list[str] | None, typer.Argument(help="kinds of adapters; see --all")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Prove every adapter that has a fake.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Record the results in providers/proofs.toml; for a checkout.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove adapters without their clouds: offers, prices and stock as the vendor's SDK sees them, and the fault matrix."""
    import structlog

    from simulations.vendors.proof import fake_of, fakes, record

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    chosen = list(fakes().values()) if everything else [fake_of(name) for name in names or ()]
    if not chosen:
        raise typer.BadParameter(f"name an adapter, or say --all. Known: {', '.join(fakes())}.")
    reports = asyncio.run(_proved(chosen, _hide if as_json else _show))
    if write:
        record(reports)
    if as_json:
        typer.echo(json.dumps([report.as_json() for report in reports]))
    raise typer.Exit(0 if all(report.held for report in reports) else 1)


async def _proved(kinds: Sequence[type[Fake]], show: Callable[[ProofReport], None]) -> list[ProofReport]:
    from simulations.vendors.proof import proving

    reports = []
    async with proving(kinds) as proofs:
        for proof in proofs.values():
            reports.append(await proof)
            show(reports[-1])
    return reports


def _hide(report: ProofReport) -> None:
    return


def _show(report: ProofReport) -> None:
    from simulations.vendors.proof import Verdict

    out = Console()
    verdict = "[green]held[/green]" if report.held else "[red]broken[/red]"
    counts = ", ".join(f"{report.count(each)} {each.value}" for each in Verdict)
    out.print(f"[bold]{report.provider}[/bold] {verdict}: {report.level.value}; faults: {counts}", highlight=False)
    if report.comparison is not None:
        seen = report.comparison
        out.print(
            f"  {seen.sdk} sees {seen.offers_sdk} offers, headrace {seen.offers_ours}; compared {seen.prices} prices, {seen.stocks} stocks"
        )
    table = Table(show_header=False, box=None, padding=(0, 2))
    for problem in (*report.problems, *(report.comparison.differences if report.comparison else ())):
        table.add_row("problem", problem)
    for fault in report.faults:
        if fault.verdict is Verdict.BROKEN:
            table.add_row(fault.fault, fault.note)
    if table.row_count:
        out.print(table)
