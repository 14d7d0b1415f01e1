"""What things cost where no call of the vendor tells it: a dated table beside the adapter, or what the person who pays declares.

Knows no vendor: each cloud's ``prices.py`` holds its table. Declared prices come first, for projects with agreed ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from providers.normalise import price_micro_usd
from scheduler.domain.offer import SourceKind


@dataclass(frozen=True, slots=True)
class TablePrice:
    """A price for one hour.

    Attributes:
        usd_per_h: as written. source: where and when it was read.
    """

    usd_per_h: str
    kind: SourceKind
    source: str

    def micro_usd_of(self, units: int, *, accelerators: int) -> int:
        """Micro-USD per hour of so many of what has the price, an instance with ``accelerators`` together. Raises ValueError."""
        try:
            return price_micro_usd(Decimal(self.usd_per_h) * units, accelerators=accelerators)
        except InvalidOperation:
            raise ValueError(f"price is not a number: {self.usd_per_h!r}") from None


@dataclass(frozen=True, slots=True)
class PriceTable:
    """One vendor's.

    Attributes:
        option: beginning of the options that declare a price; the name follows.
        rows: USD per hour, the day it was read, and where, by name.
        remark: what a person should know about names that are not in it.
    """

    option: str
    rows: Mapping[str, tuple[str, str, str]]
    remark: str = ""

    def price(self, options: Mapping[str, str], *names: str) -> TablePrice:
        """The price of a thing: declared under the first of its names that has one, else listed under the first that is.

        Raises:
            ValueError: neither; the message tells the remedy.
        """
        for name in names:
            if self.option + name in options:
                return TablePrice(options[self.option + name], SourceKind.DECLARED, f"options.{self.option}{name}")
        for name in names:
            if name in self.rows:
                usd, read_on, source = self.rows[name]
                return TablePrice(usd, SourceKind.SNAPSHOT, f"{source}, {read_on}")
        remark = f"{self.remark}; " if self.remark else ""
        raise ValueError(f"no list price of {names[0]!r}: {remark}declare options.{self.option}{names[-1]}")
