"""Where regions and users are: coordinates, and the network latency that follows from the distance."""

from __future__ import annotations

import math
from dataclasses import dataclass

KM_PER_MS = 100.0
"""Light in fibre covers 200 km a millisecond; a round trip takes both ways."""

DETOUR = 1.6
"""Cables are longer than great circles; a usual ratio of measured round trips between cloud regions to the ideal ones."""

LAST_MILE_MS = 5

COUNTRIES = {
    # ISO code: latitude, longitude of the usual data-centre metro
    "AE": (25.2, 55.3), "AT": (48.2, 16.4), "AU": (-33.9, 151.2), "BE": (50.5, 3.8), "BG": (42.7, 23.3), "BR": (-23.5, -46.6),
    "CA": (43.7, -79.4), "CH": (47.4, 8.5), "CL": (-33.4, -70.7), "CN": (31.2, 121.5), "CZ": (50.1, 14.4), "DE": (50.1, 8.7),
    "DK": (55.7, 12.6), "EE": (59.4, 24.8), "ES": (40.4, -3.7), "FI": (60.2, 24.9), "FR": (48.9, 2.4), "GB": (51.5, -0.1),
    "HK": (22.3, 114.2), "ID": (-6.2, 106.8), "IE": (53.3, -6.3), "IL": (32.1, 34.8), "IN": (19.1, 72.9), "IS": (64.1, -21.9),
    "IT": (45.5, 9.2), "JP": (35.7, 139.7), "KR": (37.6, 127.0), "MX": (20.6, -100.4), "MY": (3.1, 101.7), "NL": (52.4, 4.9),
    "NO": (59.9, 10.8), "NZ": (-36.8, 174.8), "PL": (52.2, 21.0), "QA": (25.3, 51.5), "RO": (44.4, 26.1), "RU": (55.8, 37.6),
    "SE": (59.3, 18.1), "SG": (1.3, 103.8), "TW": (24.1, 120.7), "US": (39.0, -77.5), "VN": (21.0, 105.8), "ZA": (-26.2, 28.0),
}  # fmt: skip
WITHIN_US = (
    # part of a region's name: latitude, longitude
    ("southcentral", (29.4, -98.5)), ("northcentral", (41.9, -87.6)), ("westcentral", (41.1, -104.8)), ("us-central", (41.3, -95.9)),
    ("centralus", (41.6, -93.6)), ("us-south", (32.8, -97.0)), ("us-midwest", (41.9, -87.6)), ("us-west4", (36.2, -115.1)),
    ("us-west3", (40.8, -111.9)), ("us-west2", (34.1, -118.2)), ("us-west1", (45.6, -121.2)), ("westus3", (33.4, -112.1)),
    ("westus", (37.4, -121.9)), ("us-west", (37.4, -121.9)), ("us-dallas", (32.8, -97.0)), ("us-santaclara", (37.4, -121.9)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Origin:
    """Where users are.

    Attributes:
        utc_h: hours their clock is ahead of UTC. residency: what keeps their requests at home, where a deployment promises that.
        weight: share of the users of a deployment without a home market.
    """

    name: str
    at: tuple[float, float]
    utc_h: int
    residency: tuple[str, ...]
    weight: float


ORIGINS = (
    Origin("us-east", (40.7, -74.0), -5, ("US",), 0.2),
    Origin("us-west", (37.8, -122.4), -8, ("US",), 0.16),
    Origin("canada", (43.7, -79.4), -5, ("CA", "US"), 0.04),
    Origin("brazil", (-23.5, -46.6), -3, (), 0.05),
    Origin("uk", (51.5, -0.1), 0, ("GB", "EU"), 0.08),
    Origin("germany", (50.1, 8.7), 1, ("EU",), 0.09),
    Origin("france", (48.9, 2.4), 1, ("EU",), 0.07),
    Origin("nordics", (59.3, 18.1), 1, ("EU", "NO", "IS"), 0.04),
    Origin("india", (19.1, 72.9), 5, (), 0.09),
    Origin("singapore", (1.3, 103.8), 8, (), 0.06),
    Origin("japan", (35.7, 139.7), 9, ("JP",), 0.08),
    Origin("australia", (-33.9, 151.2), 10, (), 0.04),
)
METROS = (
    # regions of the synthetic clouds, where clouds really are: name, country
    ("us-ashburn", "US"), ("us-dallas", "US"), ("us-santaclara", "US"), ("us-midwest", "US"), ("ca-toronto", "CA"), ("uk-london", "GB"),
    ("de-frankfurt", "DE"), ("fr-paris", "FR"), ("nl-amsterdam", "NL"), ("se-stockholm", "SE"), ("fi-helsinki", "FI"), ("no-oslo", "NO"),
    ("is-reykjavik", "IS"), ("ie-dublin", "IE"), ("pl-warsaw", "PL"), ("jp-tokyo", "JP"), ("sg-singapore", "SG"), ("in-mumbai", "IN"),
    ("kr-seoul", "KR"), ("au-sydney", "AU"), ("br-saopaulo", "BR"), ("ae-dubai", "AE"),
)  # fmt: skip


def coordinates(region: str, jurisdiction: str) -> tuple[float, float]:
    """Of a region by its name where it is in the United States, else of its country's usual metro."""
    if jurisdiction == "US":
        return next((at for part, at in WITHIN_US if part in region), COUNTRIES["US"])
    return COUNTRIES.get(jurisdiction, (0.0, 0.0))


def great_circle_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Haversine distance between two (latitude, longitude) in degrees."""
    (lat1, lon1), (lat2, lon2) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(h))


def round_trip_ms(a: tuple[float, float], b: tuple[float, float]) -> int:
    """Network round trip estimated from the distance."""
    return round(great_circle_km(a, b) / KM_PER_MS * DETOUR + LAST_MILE_MS)
