"""Providers by entry point: a cloud is added by installing a package, and touches nothing here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import Clock, Pace, Provider, ProviderFactory, ProviderSettings

GROUP = "headrace.providers"


def known_kinds() -> tuple[str, ...]:
    """Names of all installed adapters."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def load_provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """Build one adapter.

    Raises:
        InvalidInputError: no installed adapter of that kind, or it refuses its settings.
    """
    found = [point for point in entry_points(group=GROUP) if point.name == settings.kind]
    if not found:
        remedy = f"Installed adapters: {', '.join(known_kinds())}."
        raise InvalidInputError("providers.kind", settings.kind, "no adapter of this kind is installed", remedy)
    factory: ProviderFactory = found[0].load()
    return factory(settings, environ, clock, pace)


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
