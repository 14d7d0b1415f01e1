"""Together GPU clusters: which GPUs each region has, at dated list prices; read only."""

from __future__ import annotations

from collections.abc import Mapping

from providers.needs import REGIONS, TIMEOUT, key, option
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings

NEEDS = (
    key("TOGETHER_API_KEY", "API key"),
    REGIONS,
    option("usd_per_gpu_h_<gpu type>", "agreed price of a GPU type, such as usd_per_gpu_h_B200_SXM"),
    TIMEOUT,
)


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One Together account. The key is read from TOGETHER_API_KEY; see FACTS.md for options."""
    from providers.together.adapter import build

    return build(settings, environ, clock, pace)
