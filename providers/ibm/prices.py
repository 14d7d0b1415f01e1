"""What a machine of an IBM profile costs for an hour: the VPC API tells no price. Names are ``<profile>_<region>``; declared ones may do
without the region."""

from __future__ import annotations

from providers.pricetable import PriceTable

PRICES = PriceTable(
    "usd_per_h_",
    {"gx3d-160x1792x8h100_eu-de": ("99.60", "2026-10-05", "IBM Global Catalog, plan 99548819-fcbc-486c-8eeb-0355a56b035e")},
)
