"""The bundled, dated list-price snapshot: what clouds charged on a stated day, for a start without credentials.

It says nothing about availability and launches nothing. Live rows of the same cloud hide it in the inventory.
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import REGIONS, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    REGIONS,
    option("file", "CSV file of prices; the bundled list without it"),
    option("clouds", "clouds to keep, comma separated; all without it"),
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """The bundled price list, or the one named by option ``file``; option ``clouds`` restricts it (comma separated)."""
    from providers.snapshot.adapter import build

    return build(settings)
