"""Providers by entry point: a cloud is added by installing a package, and touches nothing here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import Clock, Need, Pace, Provider, ProviderFactory, ProviderSettings

GROUP = "headrace.providers"


def known_kinds() -> tuple[str, ...]:
    """Names of all installed adapters."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def load_provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """Build one adapter.

    Raises:
        InvalidInputError: no installed adapter of that kind, or it refuses its settings.
    """
    factory: ProviderFactory = _entry_point(settings.kind).load()
    return factory(settings, environ, clock, pace)


def needs_of(kind: str) -> tuple[Need, ...]:
    """What an adapter takes from people: ``NEEDS`` beside its factory; nothing where it does not say.

    Raises:
        InvalidInputError: no installed adapter of that kind.
    """
    found: tuple[Need, ...] = getattr(import_module(_entry_point(kind).module), "NEEDS", ())
    return found


def _entry_point(kind: str) -> EntryPoint:
    found = [point for point in entry_points(group=GROUP) if point.name == kind]
    if not found:
        remedy = f"Installed adapters: {', '.join(known_kinds())}."
        raise InvalidInputError("providers.kind", kind, "no adapter of this kind is installed", remedy)
    return found[0]


def load_providers(settings: Iterable[ProviderSettings], environ: Mapping[str, str], clock: Clock, pace: Pace) -> list[Provider]:
    """Build all adapters; two of one name and account are an error."""
    providers = [load_provider(each, environ, clock, pace) for each in settings]
    seen: set[tuple[str, str]] = set()
    for provider in providers:
        key = (provider.name, provider.account)
        if key in seen:
            raise InvalidInputError("providers", provider.name, f"is configured twice for account {provider.account}", "Keep one.")
        seen.add(key)
    return providers
