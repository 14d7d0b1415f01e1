"""What a provider still lacks: the needs that its adapter declares, against settings and environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from scheduler.bootstrap.settings import ProviderIn
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import Need, NeededTo, NeedFrom


def unmet(needs: Sequence[Need], given: ProviderIn, environ: Mapping[str, str]) -> list[Need]:
    """Needs that are not optional, and for which nothing that serves is there."""
    by_name = {need.name: need for need in needs}
    return [
        need
        for need in needs
        if need.required is not NeededTo.OPTIONAL
        and not any(_there(by_name[name], given, environ) for name in (need.name, *need.instead) if name in by_name)
    ]


def _there(need: Need, given: ProviderIn, environ: Mapping[str, str]) -> bool:
    match need.where:
        case NeedFrom.ENVIRONMENT:
            return bool(environ.get(variable_of(need, given), "").strip())
        case NeedFrom.REGIONS:
            return bool(given.regions)
        case NeedFrom.OPTION:
            return any(value and _names(need, option) for option, value in given.options.items())


def variable_of(need: Need, given: ProviderIn) -> str:
    """The environment variable that is read: another one where an option names it."""
    return given.options.get(need.named_by, "") or need.name


def check_options(needs: Sequence[Need], options: Iterable[str]) -> None:
    """Refuse options that the adapter does not read; one that declares nothing may read any.

    Raises:
        InvalidInputError: naming the first and the known ones.
    """
    known = [need for need in needs if need.where is NeedFrom.OPTION]
    named_by = sorted({need.named_by for need in needs if need.named_by})
    for option in options:
        if needs and option not in named_by and not any(_names(need, option) for need in known):
            names = ", ".join([*(need.name for need in known), *named_by]) or "none"
            raise InvalidInputError(f"options.{option}", option, "the adapter has no such option", f"Known: {names}.")


def _names(need: Need, option: str) -> bool:
    """Whether an option is the one meant; what stands in ``<>`` is any word."""
    parts = re.split(r"<[^>]*>", need.name)
    return re.fullmatch(".+".join(map(re.escape, parts)), option) is not None


def field_of(need: Need, given: ProviderIn) -> str:
    """What an error calls it."""
    return variable_of(need, given) if need.where is NeedFrom.ENVIRONMENT else need.name if _is_regions(need) else f"options.{need.name}"


def how_to_give(need: Need, given: ProviderIn) -> str:
    """The words to run or to add to the command. Never a value that is there."""
    words = f"export {variable_of(need, given)}=..." if need.where is NeedFrom.ENVIRONMENT else f"--option {need.name}=..."
    return " or ".join(("--region NAME" if _is_regions(need) else words, *need.instead))


def _is_regions(need: Need) -> bool:
    return need.where is NeedFrom.REGIONS


def refuse(missing: Sequence[Need], given: ProviderIn) -> None:
    """End where something is missing.

    Raises:
        InvalidInputError: naming all of it, and how to give each.
    """
    if missing:
        remedy = "; ".join(f"{how_to_give(need, given)} ({need.meaning})" for need in missing)
        raise InvalidInputError(", ".join(field_of(need, given) for need in missing), "", "missing", f"Give: {remedy}.")
