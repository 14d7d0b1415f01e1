"""``headrace providers add``: asks for what a cloud needs, shows the block, writes it into the settings file and tries it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scheduler.cli.market import providers, try_reads
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import Need, NeededTo, NeedFrom

if TYPE_CHECKING:
    from scheduler.bootstrap.settings import ProviderIn


def add_to(app: typer.Typer) -> None:
    """Register the command, in the group that the market made."""
    providers.command("add")(add)


def add(
    kind: Annotated[str, typer.Argument(help="which adapter; `headrace providers kinds` lists them")],
    name: Annotated[str, typer.Option(help="how it is called here; as its kind where empty")] = "",
    account: Annotated[str, typer.Option(help="tells accounts at one cloud apart")] = "default",
    endpoint: Annotated[str, typer.Option(help="another address than the vendor's")] = "",
    region: Annotated[list[str] | None, typer.Option(help="a region to read; repeat it for more")] = None,
    option: Annotated[list[str] | None, typer.Option(help="an option as name=value; repeat it for more")] = None,
    config: Annotated[Path | None, typer.Option(help="settings file; HEADRACE_CONFIG by default")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put it into the settings file.")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Do not try its reads.")] = False,
) -> None:
    """Set a provider up, step by step. Keys are never asked for or shown: they stay in the environment."""
    from scheduler.bootstrap.needs import check_options, refuse, unmet
    from scheduler.bootstrap.registry import load_provider, needs_of
    from scheduler.bootstrap.settings_file import block, entry
    from scheduler.bootstrap.wire import system_clock
    from scheduler.inventory.pace import LocalPace

    file = _file(config) if write else None
    needs, options = needs_of(kind), _options(option or ())
    check_options(needs, options)
    given = _provider(name or kind, kind, account, endpoint, region or [], options)
    if sys.stdin.isatty() and sys.stdout.isatty():
        given = _asked(needs, given)
    missing = [need for need in unmet(needs, given, os.environ) if need.required is NeededTo.READ]
    refuse([need for need in missing if need.where is not NeedFrom.ENVIRONMENT or not (no_check or sys.stdin.isatty())], given)
    load_provider(given.as_settings(), os.environ, system_clock, LocalPace())
    _tell(needs, given)
    typer.echo(("" if file else "providers:\n") + block([entry(given)]), nl=False)
    if file:
        _write(file, given)
    if no_check:
        return
    if missing:
        typer.echo(f"not tried: run the lines above, then `headrace providers check {given.name}`", err=True)
        raise typer.Exit(1)
    raise typer.Exit(try_reads(given))


def _file(config: Path | None) -> Path:
    named = config or os.environ.get("HEADRACE_CONFIG", "")
    if not named:
        raise InvalidInputError("config", "", "missing", "Name the settings file with --config, or in HEADRACE_CONFIG.")
    return Path(named)


def _options(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise InvalidInputError("option", each, "is not name=value", "Write --option image=ubuntu-24.04.")
        if name in found:
            raise InvalidInputError(f"options.{name}", value, "is given twice", "Keep one.")
        found[name] = value
    return found


def _provider(name: str, kind: str, account: str, endpoint: str, regions: list[str], options: dict[str, str]) -> ProviderIn:
    from pydantic import ValidationError

    from scheduler.bootstrap.settings import ProviderIn

    try:
        return ProviderIn(name=name, kind=kind, account=account, endpoint=endpoint, regions=regions, options=options)
    except ValidationError as error:
        detail = error.errors()[0]
        field = ".".join(map(str, detail["loc"]))
        raise InvalidInputError(field, detail.get("input"), detail["msg"], "Names hold small letters, digits and dashes.") from error


def _asked(needs: Sequence[Need], given: ProviderIn) -> ProviderIn:
    """With the answers of a person: what is needed to read must be answered, what is needed to launch may be left out."""
    from scheduler.bootstrap.needs import unmet

    for need in unmet(needs, given, os.environ):
        if need.where is NeedFrom.ENVIRONMENT or "<" in need.name:
            continue
        must = need.required is NeededTo.READ
        told = need.meaning if must else f"{need.meaning}; needed to launch, Enter leaves it out"
        answer = ""
        while not answer:
            answer = typer.prompt(f"{need.name} ({told})", default="", show_default=False).strip()
            if not must:
                break
        if need.where is NeedFrom.REGIONS:
            given = given.model_copy(update={"regions": [part for part in re.split(r"[,\s]+", answer) if part]})
        elif answer:
            given = given.model_copy(update={"options": {**given.options, need.name: answer}})
    return given


def _tell(needs: Sequence[Need], given: ProviderIn) -> None:
    """Which variables are set, and what is still to be given. On stderr, so that the block alone can be kept."""
    from scheduler.bootstrap.needs import field_of, how_to_give, unmet, variable_of

    missing = unmet(needs, given, os.environ)
    for need in needs:
        variable = variable_of(need, given)
        if need.where is NeedFrom.ENVIRONMENT and os.environ.get(variable, "").strip():
            typer.echo(f"{variable}: set", err=True)
    for need in missing:
        why = {
            NeededTo.SIGN_IN: "not set: the vendor's own configuration is asked",
            NeededTo.READ: "missing: nothing is read without it",
            NeededTo.LAUNCH: "missing: nothing is launched without it",
        }[need.required]
        typer.echo(f"{field_of(need, given)}: {why}. {need.meaning}:\n  {how_to_give(need, given)}", err=True)


def _write(file: Path, given: ProviderIn) -> None:
    from scheduler.bootstrap.settings_file import add_provider

    add_provider(file, given)
    typer.echo(f"written to {file}; a control plane reads it when it starts", err=True)
