"""Machines you own, from a file: declared prices, counted availability, leases only."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import READ, REGIONS, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    REGIONS,
    option("file", "TOML, YAML or JSON file of your machines", READ),
    option("leases", "file that remembers leases; beside the first one without it"),
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The machines listed in the file named by option ``file`` (TOML, YAML or JSON); see providers/static/README.md."""
    from providers.static.adapter import build

    return build(settings, clock)
