"""Money and time units. Prices are integer micro-USD; a float of dollars exists only at the edges of the program."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

MICRO = 1_000_000
HOURS_PER_MONTH = 730
MIB_PER_GIB = 1024


def micro_usd(usd: Decimal | int | float | str) -> int:
    """Convert dollars to integer micro-USD, rounding half up.

    Floats go through their shortest decimal form, so ``0.1`` means ten cents exactly.

    Raises:
        ValueError: the value is not a finite number.
    """
    try:
        amount = Decimal(str(usd))
    except InvalidOperation as error:
        raise ValueError(f"not an amount of money: {usd!r}") from error
    if not amount.is_finite():
        raise ValueError(f"not an amount of money: {usd!r}")
    return int((amount * MICRO).to_integral_value(rounding=ROUND_HALF_UP))


def usd(micro: int) -> float:
    """Micro-USD as dollars, for output only."""
    return micro / MICRO


def usd_text(micro: int, digits: int = 2) -> str:
    """Micro-USD as people read it: ``-$1,234.50``."""
    sign = "-" if micro < 0 else ""
    return f"{sign}${abs(micro) / MICRO:,.{digits}f}"


def per_month(micro_per_h: int) -> int:
    """An hourly price as a price per month of 730 hours."""
    return micro_per_h * HOURS_PER_MONTH
