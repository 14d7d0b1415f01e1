"""What one GPU of a Together cluster costs for an hour on demand: no call tells it. Listed are those sold by the single node."""

from __future__ import annotations

from providers.pricetable import PriceTable

PRICES = PriceTable("usd_per_gpu_h_", {"H100_SXM": ("3.99", "2026-09-05", "together.ai/pricing")})
