"""RunPod: secure cloud pods with GPUs by data center, prices and stock from the catalogue, launches as containers."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One RunPod account. The key is read from RUNPOD_API_KEY; see FACTS.md for options."""
    from providers.runpod.adapter import build

    return build(settings, environ, clock, pace)
