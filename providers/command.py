"""``headrace providers kinds``: every installed adapter, what it needs and how it was proved."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from providers.proofs import proof_of
from scheduler.domain.ports import Need, NeededTo

GROUP = "headrace.providers"
WIDTH = 220
"""Columns where the output is no terminal."""


def kinds(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Every installed adapter: what it needs to read and to launch, and how it was proved without its cloud."""
    found = [_row(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    out = Console()
    table = Table("kind", "title", "needs", "proved")
    for row in found:
        table.add_row(*(escape(row[column]) for column in ("kind", "title", "summary", "proved")))
    (out if out.is_terminal else Console(width=WIDTH)).print(table)


def _row(point: EntryPoint) -> dict[str, Any]:
    module = import_module(point.module)
    needs: tuple[Need, ...] = getattr(module, "NEEDS", ())
    proof = proof_of(point.name)
    return {
        "kind": point.name,
        "title": title(module.__doc__ or point.name),
        "summary": summary(needs),
        "needs": [asdict(need) for need in needs],
        "proved": proof.text if proof else "-",
        "proof": None if proof is None else {**asdict(proof), "on": proof.on.isoformat()},
    }


def title(doc: str) -> str:
    """What the docstring of an entry module says before its colon: whose cloud it is."""
    return doc.strip().split("\n", 1)[0].split(":", 1)[0].rstrip(".")


def summary(needs: Iterable[Need]) -> str:
    """One line: what must be given to sign in and read, and what more to launch."""
    parts = []
    for purpose in (NeededTo.SIGN_IN, NeededTo.READ, NeededTo.LAUNCH):
        own = ("the vendor's own configuration",) if purpose is NeededTo.SIGN_IN else ()
        names = [" or ".join((need.name, *need.instead, *own)) for need in needs if need.required is purpose]
        parts += [f"to {purpose.value}: {', '.join(names)}"] if names else []
    return "; ".join(parts) or "nothing"
