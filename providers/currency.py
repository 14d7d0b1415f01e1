"""What other currencies are worth in US dollars: a small table of reference rates with its day. Pure.

An option ``usd_per_<currency>`` (such as ``usd_per_eur``) replaces the table's rate. Whoever converts a price writes the rate's
``note`` into the offer, so that a screen can show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from scheduler.domain.errors import InvalidInputError

READ_ON = "2026-05-08"
SOURCE = "ECB euro reference rates"
_PER_EURO = {
    "EUR": "1", "USD": "1.1761", "GBP": "0.86410", "CHF": "0.9156", "SEK": "10.8420", "NOK": "10.8215", "PLN": "4.2318",
    "JPY": "184.37", "CNY": "7.9989", "INR": "111.1285", "SGD": "1.4911", "CAD": "1.6063", "AUD": "1.6259",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rate:
    """One unit of a currency in US dollars; ``note`` names rate, day and source."""

    usd: Decimal
    note: str

    def convert(self, amount: object) -> Decimal:
        """An amount, number or numeric string, in US dollars.

        Raises:
            ValueError: it is no number.
        """
        try:
            return Decimal(str(amount).strip()) * self.usd
        except InvalidOperation:
            raise ValueError(f"price is not a number: {amount!r}") from None


def rate(currency: str, options: Mapping[str, str]) -> Rate:
    """The rate of a currency by its ISO code.

    Raises:
        InvalidInputError: the option is not a positive number, or the currency is unknown and no option gives its rate.
    """
    code, option = currency.upper(), f"usd_per_{currency.lower()}"
    if option in options:
        return Rate(_positive(option, options[option]), f"1 {code} = {options[option]} USD, options.{option}")
    if code not in _PER_EURO:
        raise InvalidInputError(f"options.{option}", "", f"no reference rate of {code}", f"Write {option}, such as 1.10.")
    usd = (Decimal(_PER_EURO["USD"]) / Decimal(_PER_EURO[code])).quantize(Decimal("0.000001"))
    return Rate(usd, f"1 {code} = {usd.normalize()} USD, {SOURCE}, {READ_ON}")


def _positive(option: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        raise InvalidInputError(f"options.{option}", text, "not a positive number", "Write US dollars per unit, such as 1.10.")
    return value
