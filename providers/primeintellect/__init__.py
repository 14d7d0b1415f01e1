"""Prime Intellect, an aggregator: what other clouds sell through it, prices and stock by data centre, launches of templates."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import LAUNCH, REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("PRIME_API_KEY", "API key"),
    REGIONS,
    option("template", "id of the template whose container runs headrace", LAUNCH),
    option("team", "team that pays"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Prime Intellect account. The key is read from PRIME_API_KEY; see FACTS.md for options."""
    from providers.primeintellect.adapter import build

    return build(settings, environ, clock, pace)
