"""``headrace``: puts the commands together. Groups that live above the scheduler come by entry point."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points, version
from typing import Annotated

import typer
from rich.console import Console

from scheduler.bootstrap.logs import configure_logging
from scheduler.cli import fleet, market, operate, optimize, plans, roles, setup, verify
from scheduler.cli.client import ApiError
from scheduler.domain.errors import HeadraceError

GROUP = "headrace.commands"

app = typer.Typer(
    name="headrace",
    help="Multi-cloud GPU scheduler and capacity router for model inference. Start with `headrace demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"headrace {version('headrace')}")
        raise typer.Exit


@app.callback()
def _root(
    show: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    """Multi-cloud GPU scheduler and capacity router for model inference. Start with `headrace demo`."""


def build() -> typer.Typer:
    """Add every command; a group that cannot be imported says so when it is called, not before."""
    for room in (plans, optimize, verify, fleet, market, setup, operate, roles):
        room.add_to(app)
    for point in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        command = point.load()
        group, _, name = point.name.rpartition(".")
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=point.name)
        else:
            _group(group).command(name)(command)
    return app


def _group(name: str) -> typer.Typer:
    """The group that an entry point with a dot adds a command to, such as ``providers.prove``; the program itself without one."""
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    return groups.get(name) or app


def main() -> None:
    """Run; errors meant for people are one line on stderr, exit code 1 (2 for bad input)."""
    configure_logging("warning")
    try:
        build()()
    except ApiError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(2 if error.status == 422 else 1)
    except HeadraceError as error:
        Console(stderr=True).print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
