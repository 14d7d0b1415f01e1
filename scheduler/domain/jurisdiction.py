"""Residency: whose law applies where a node stands. Country codes are ISO 3166-1 alpha-2; ``EU`` stands for its members."""

from __future__ import annotations

from collections.abc import Sequence

_EU = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"
EU_MEMBERS = frozenset(_EU[start : start + 2] for start in range(0, len(_EU), 3))
"""The 27 members since 2020-02-01."""


def within(jurisdiction: str, allowed: Sequence[str]) -> bool:
    """True where the jurisdiction is one of the allowed ones; an empty list allows every place, an unknown place only that."""
    if not allowed:
        return True
    return jurisdiction in allowed or ("EU" in allowed and jurisdiction in EU_MEMBERS)
