"""What one of Crusoe's GPUs costs for an hour on demand: no call tells it."""

from __future__ import annotations

from providers.pricetable import PriceTable

_READ = ("2026-09-20", "crusoe.ai/cloud/pricing")

PRICES = PriceTable(
    "usd_per_gpu_h_",
    {
        "H200-SXM-141GB": ("4.29", *_READ),
        "H100-SXM-80GB": ("3.90", *_READ),
        "A100-SXM-80GB": ("2.30", *_READ),
        "A100-PCIe-80GB": ("2.00", *_READ),
        "L40S-48GB": ("1.50", *_READ),
        "MI300X-192GB": ("3.45", *_READ),
    },
    "sold by contract",
)
