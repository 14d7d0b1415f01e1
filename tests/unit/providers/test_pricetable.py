"""Prices that no call tells: declared ones come first, listed ones carry day and source, and what has neither says what to do."""

from __future__ import annotations

import pytest

from providers.pricetable import PriceTable, TablePrice
from scheduler.domain.offer import SourceKind

TABLE = PriceTable("usd_per_h_", {"big_eu": ("8.00", "2026-10-05", "nimbus.example/pricing")}, "sold by contract")


def test_a_listed_price_tells_where_and_when_it_was_read() -> None:
    assert TABLE.price({}, "big_eu", "big") == TablePrice("8.00", SourceKind.SNAPSHOT, "nimbus.example/pricing, 2026-10-05")


@pytest.mark.parametrize("option", ["usd_per_h_big_eu", "usd_per_h_big"])
def test_a_declared_price_comes_before_the_list(option: str) -> None:
    assert TABLE.price({option: "7.5"}, "big_eu", "big") == TablePrice("7.5", SourceKind.DECLARED, f"options.{option}")


def test_the_price_declared_for_the_narrower_name_wins() -> None:
    assert TABLE.price({"usd_per_h_big": "7", "usd_per_h_big_eu": "6"}, "big_eu", "big").usd_per_h == "6"


def test_no_price_names_the_option_to_declare() -> None:
    with pytest.raises(ValueError, match=r"no list price of 'small_eu': sold by contract; declare options\.usd_per_h_small$"):
        TABLE.price({}, "small_eu", "small")


def test_a_price_holds_for_as_many_as_there_are() -> None:
    assert TablePrice("2.5", SourceKind.SNAPSHOT, "").micro_usd_of(8, accelerators=8) == 20_000_000


@pytest.mark.parametrize("text", ["two", "nan", "0", "-1"])
def test_a_declared_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="price"):
        TablePrice(text, SourceKind.DECLARED, "").micro_usd_of(1, accelerators=1)
