"""Prime Intellect, an aggregator: what other clouds sell through it, prices and stock by data centre, launches of templates."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Prime Intellect account. The key is read from PRIME_API_KEY; see FACTS.md for options."""
    from providers.primeintellect.adapter import build

    return build(settings, environ, clock, pace)
