"""A region's public price list file, as CSV: what its lines say, and the newest reading of each region's.

A file has some hundred megabytes and a million lines, of which about a hundred tell what a machine with accelerators costs by the hour.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.aws.errors import PROVIDER
from providers.download import Download, Take
from providers.errors import ErrorTable
from providers.normalise import price_micro_usd, quarantined
from providers.rest import budget_of, timeout_of
from scheduler.domain.errors import NotFoundError, ProviderDataError, ProviderError
from scheduler.domain.offer import InstanceType
from scheduler.domain.ports import Pace, ProviderSettings, Quarantined

ENDPOINT = "https://pricing.us-east-1.amazonaws.com"
PATH = "/offers/v1.0/aws/AmazonEC2/current/{region}/index.csv"
ERRORS = ErrorTable(PROVIDER, statuses={403: NotFoundError})
"""There are no credentials here: the store behind it answers 403 for a file that does not exist."""

HEADER_LINES_MAX = 20
RESERVED = b'"Reserved"'
"""A whole column: nine lines in ten have it. Descriptions may have the word in a sentence."""
_WANTED = {"TermType": "OnDemand", "Tenancy": "Shared", "Operating System": "Linux", "Pre Installed S/W": "NA", "CapacityStatus": "Used"}
_COLUMNS = (*_WANTED, "Instance Type", "Unit", "PricePerUnit", "Currency", "Region Code")
_FAMILIES = re.compile(r"(g|p|inf|trn|dl)\d")


@dataclass
class PriceFile:
    """What the lines of one file said so far.

    Attributes:
        usd_per_h: as written, by instance type.
        error: why the reading broke off, "" where it came to its end.
    """

    region: str
    usd_per_h: dict[str, str] = field(default_factory=dict)
    bad: list[Quarantined] = field(default_factory=list)
    error: str = ""
    _columns: list[str] = field(default_factory=list)
    _lines: int = 0

    def take(self, line: bytes) -> None:
        """One line. Nearly all are told apart by a glance at their bytes.

        Raises:
            ProviderDataError: it is no price list, or its columns have other names.
        """
        self._lines += 1
        if not self._columns:
            self._take_header(line)
        elif RESERVED not in line and b"OnDemand" in line and b"Linux" in line and b"Shared" in line:
            self._take_row(next(csv.reader([line.decode(errors="replace")]), []))

    def prices(self, types: Mapping[str, InstanceType]) -> tuple[dict[str, int], list[Quarantined]]:
        """Micro-USD per hour of those types that the file prices, and the rows that could not be trusted.

        Raises:
            ProviderDataError: it came to its end and prices none of them: old prices must not vanish because a word changed.
        """
        found: dict[str, int] = {}
        bad = list(self.bad)
        for name in sorted(types.keys() & self.usd_per_h.keys()):
            try:
                found[name] = price_micro_usd(self.usd_per_h[name], accelerators=types[name].accelerator_count)
            except ValueError as error:
                bad.append(quarantined(self.region, f"on-demand {name}", error, self.usd_per_h[name]))
        if types and not found and not bad and not self.error:
            raise ProviderDataError(PROVIDER, f"the price file of {self.region} has no price of any type that is sold there")
        return found, bad

    def _take_header(self, line: bytes) -> None:
        if not line.startswith((b'"SKU"', b"SKU,")):
            if self._lines > HEADER_LINES_MAX:
                raise ProviderDataError(PROVIDER, f"the price file of {self.region} names no columns")
            return
        self._columns = next(csv.reader([line.decode(errors="replace")]))
        missing = [name for name in _COLUMNS if name not in self._columns]
        if missing:
            raise ProviderDataError(PROVIDER, f"the price file of {self.region} has no column {', '.join(missing)}")

    def _take_row(self, values: list[str]) -> None:
        row = dict(zip(self._columns, values, strict=False))
        name = row.get("Instance Type", "")
        other_market = row.get("MarketOption", "") not in ("", "OnDemand")
        if not _FAMILIES.match(name) or other_market or any(row.get(column) != value for column, value in _WANTED.items()):
            return
        if row.get("Region Code") != self.region:  # a local zone, which has prices of its own
            return
        if len(values) != len(self._columns) or (row["Unit"], row["Currency"]) != ("Hrs", "USD"):
            self.bad.append(quarantined(self.region, f"on-demand {name}", "not a price in USD per hour", row))
        elif self.usd_per_h.setdefault(name, row["PricePerUnit"]) != row["PricePerUnit"]:
            self.bad.append(quarantined(self.region, f"on-demand {name}", "two prices", row))
            self.usd_per_h[name] = "two prices"


class PriceFiles:
    """The files of all regions. Kept is what each said, and its version: an unchanged one is not read again."""

    def __init__(self, settings: ProviderSettings, pace: Pace) -> None:
        endpoint = settings.options.get("price_endpoint", ENDPOINT)
        budget = budget_of(settings, "price file", per_s=1, burst=8)
        self._download = Download(ERRORS, endpoint, pace=pace, budget=budget, timeout_s=timeout_of(settings))
        self._known: dict[str, tuple[str, PriceFile]] = {}

    async def of(self, region: str) -> PriceFile:
        """What the file of a region says; where its reading broke off, what was read, and the error."""
        version, before = self._known.get(region, ("", PriceFile(region)))
        reading = PriceFile(region)

        def begin() -> Take:
            nonlocal reading
            reading = PriceFile(region)
            return reading.take

        try:
            now = await self._download.read(PATH.format(region=region), begin, version)
        except ProviderError as error:
            reading.error = str(error)
            return reading
        if version and now == version:
            return before
        if now:
            self._known[region] = now, reading
        return reading
