"""What nodes cost. A cluster never says; the person who pays declares it, or the vendor's price list does. Pure but for reading a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from providers.normalise import price_micro_usd
from providers.pricelist import ListPrice, read_price_list
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.offer import CapacityType

REMEDY = "declare one: options.prices = '{name}=USD_PER_HOUR', or a row in the file options.price_list"


@dataclass(frozen=True, slots=True)
class Prices:
    """Declared prices of whole nodes.

    Attributes:
        declared: micro-USD per hour by (instance type, capacity type); they come before the rows.
        rows: a price list; a row without region holds everywhere.
    """

    declared: Mapping[tuple[str, CapacityType], int] = field(default_factory=dict)
    rows: tuple[ListPrice, ...] = ()

    def card(self, name: str) -> str:
        """The accelerator that the price list gives an instance type, "" where it does not know the type."""
        return next((row.instance_type.accelerator for row in self.rows if row.instance_type.name == name), "")

    def of(self, name: str, region: str, capacity: CapacityType) -> tuple[int, str]:
        """Price and where it comes from.

        Raises:
            ValueError: unknown; the message tells the remedy.
        """
        given = self.declared.get((name, capacity))
        if given is not None:
            return given, "options.prices"
        fits = [row for row in self.rows if row.instance_type.name == name and row.capacity_type is capacity and row.region in ("", region)]
        if not fits:
            spot = "/spot" if capacity is CapacityType.SPOT else ""
            raise ValueError(f"the price of {name}{spot} in {region} is not known: " + REMEDY.format(name=name + spot))
        best = max(fits, key=lambda row: (bool(row.region), row.as_of))
        return best.micro_usd_per_h, f"{best.source}, {best.as_of.isoformat()}"


def prices_of(options: Mapping[str, str], listed: tuple[ListPrice, ...] = ()) -> Prices:
    """Prices from options ``prices`` (``type=usd,type/spot=usd``) and ``price_list`` (a CSV file), and what the vendor lists.

    Raises:
        InvalidInputError: an entry is no price, or the file is no price list.
    """
    declared: dict[tuple[str, CapacityType], int] = {}
    for entry in filter(None, (part.strip() for part in options.get("prices", "").split(","))):
        name, _, usd = entry.rpartition("=")
        kind, slash, capacity = name.partition("/")
        try:
            # A node may hold many GPUs; how many is not known here, so only nonsense is refused.
            declared[kind.strip(), CapacityType(capacity) if slash else CapacityType.ON_DEMAND] = price_micro_usd(usd, accelerators=16)
        except ValueError as error:
            raise InvalidInputError("options.prices", entry, str(error), "Write type=usd or type/spot=usd, separated by commas.") from None
    return Prices(declared, (*_file_rows(options.get("price_list", "")), *listed))


def _file_rows(named: str) -> tuple[ListPrice, ...]:
    if not named:
        return ()
    remedy = "Name a CSV file with the columns of providers/pricelist.py."
    try:
        with Path(named).open(encoding="utf-8", newline="") as lines:
            found = read_price_list(lines)
    except (OSError, ValueError) as error:
        raise InvalidInputError("options.price_list", named, str(error), remedy) from error
    if found.quarantined:
        raise InvalidInputError("options.price_list", named, f"{found.quarantined[0].row}: {found.quarantined[0].reason}", remedy)
    return found.rows
