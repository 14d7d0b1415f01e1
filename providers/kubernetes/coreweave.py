"""CoreWeave: what it sells and lists, on the Kubernetes adapter. Source of every row: COREWEAVE.md.

NVL72 types are absent on purpose: CoreWeave sells them by racks of 18 nodes, and headrace launches nodes one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from providers.kubernetes import NEEDS as NEEDS
from providers.pricelist import ListPrice
from scheduler.domain.offer import CapacityType, InstanceType
from scheduler.domain.ports import Clock, Pace, Provider, ProviderSettings
from scheduler.domain.units import micro_usd

KIND = "coreweave"
LISTED_ON = date(2026, 10, 4)
SOURCE = "coreweave.com/pricing, North America"
_SOLD = (
    # instance type, accelerator, count, vCPUs, GB, USD per hour on demand
    ("b200-8x", "B200-180GB-SXM", 8, 128, 2048, "68.80"),
    ("gd-8xh200ib-i128", "H200-141GB-SXM", 8, 128, 2048, "50.44"),
    ("gd-8xh100ib-i128", "H100-80GB-SXM", 8, 128, 2048, "49.24"),
    ("gd-8xa100-i128", "A100-80GB-SXM", 8, 128, 2048, "21.60"),
    ("rtxp6000-8x", "RTXPRO6000-96GB-PCIe", 8, 128, 1024, "20.00"),
    ("gd-8xl40s-i128", "L40S-48GB-PCIe", 8, 128, 1024, "18.00"),
    ("gd-8xl40-i128", "L40-48GB-PCIe", 8, 128, 1024, "10.00"),
    ("gd-1xgh200", "GH200-96GB-SXM", 1, 72, 480, "6.50"),
)


def listed() -> tuple[ListPrice, ...]:
    """CoreWeave's list prices on demand, the same in every zone."""
    return tuple(
        ListPrice(
            InstanceType(KIND, name, card, count, vcpus, memory),
            region="",
            zone="",
            jurisdiction="",
            capacity_type=CapacityType.ON_DEMAND,
            micro_usd_per_h=micro_usd(usd),
            as_of=LISTED_ON,
            source=SOURCE,
        )
        for name, card, count, vcpus, memory, usd in _SOLD
    )


def provider(settings: ProviderSettings, environ: Mapping[str, str], clock: Clock, pace: Pace) -> Provider:
    """One CoreWeave cluster: launches make node pools of one node. See COREWEAVE.md for options."""
    from providers.kubernetes.adapter import build

    return build(settings, environ, clock, pace, title="CoreWeave", listed=listed(), grow="coreweave")
