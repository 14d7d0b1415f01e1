"""Oracle Cloud Infrastructure: on-demand and preemptible GPU shapes, keyless list prices, capacity reports, launches with user data.

Wants the extra ``headrace[oci]``: Oracle's SDK knows the credentials and signs; the calls are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One OCI tenancy. Credentials come from OCI's own configuration; see FACTS.md for it and for options."""
    from providers.oci.adapter import build

    return build(settings, environ, clock, pace)
