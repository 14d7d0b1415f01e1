"""What IBM's GPU profiles cost: the VPC API tells no price, so a table does, each row with its day and source.

A profile that is not in it has a price where ``options`` declare one: ``usd_per_h_<profile>``, or ``usd_per_h_<profile>_<region>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from scheduler.domain.offer import SourceKind

OPTION = "usd_per_h_"
_USD_PER_H = {
    # (profile, region): USD per instance and hour, read on, source
    ("gx3d-160x1792x8h100", "eu-de"): ("99.60", "2026-10-05", "IBM Global Catalog, plan 99548819-fcbc-486c-8eeb-0355a56b035e"),
}


class Price(NamedTuple):
    """USD for one instance and hour, as written, and where it comes from."""

    usd_per_h: str
    kind: SourceKind
    source: str


def price(profile: str, region: str, options: Mapping[str, str]) -> Price:
    """The price declared for the region, else the one for all regions, else the list's. Raises ValueError where there is none."""
    for option in (f"{OPTION}{profile}_{region}", f"{OPTION}{profile}"):
        if option in options:
            return Price(options[option], SourceKind.DECLARED, f"options.{option}")
    if (profile, region) not in _USD_PER_H:
        raise ValueError(f"no list price of {profile} in {region}: declare options.{OPTION}{profile}")
    usd, read_on, source = _USD_PER_H[profile, region]
    return Price(usd, SourceKind.SNAPSHOT, f"{source}, {read_on}")
