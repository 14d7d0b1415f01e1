"""What the simulated clouds sell: the bundled list prices, with what a list does not say stated as simulated.

Knows the price list and the domain; no market, no process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time

from providers.pricelist import ListPrice, bundled_price_list
from scheduler.domain.offer import Availability, AvailabilityKind, CapacityType, Offer, SourceKind
from scheduler.domain.ports import Capabilities, JoinMethod

DEFAULT_CLOUDS = ("aws", "gcp", "azure")
ACCOUNT = "simulated"
"""The account inside a market. An adapter shows its own account's name; the market has one tenant."""

AWS_SPOT_SHARE = 0.4
"""The list has no AWS spot prices; the simulated AWS sells spot at this share of on-demand, and says so in ``source``."""

NOTICE_S = {"aws": 120, "gcp": 30, "azure": 30}
"""Warning before an interruption. Sources: AWS "Spot Instance interruption notices", Google "Spot VMs" (preemption process),
Azure "Use Azure Spot Virtual Machines" (eviction notice). Clouds that are not listed give none."""

LAUNCH_S = {"aws": 60, "gcp": 50, "azure": 90}


def base_offers(clouds: Iterable[str] = DEFAULT_CLOUDS, account: str = ACCOUNT) -> tuple[Offer, ...]:
    """Offers of these clouds at list price; availability is the market's to say.

    Raises:
        ValueError: the price list knows no such cloud.
    """
    wanted = tuple(clouds)
    rows = bundled_price_list().rows
    unknown = set(wanted) - {row.instance_type.provider for row in rows}
    if unknown:
        known = ", ".join(sorted({row.instance_type.provider for row in rows}))
        raise ValueError(f"no list prices for {', '.join(sorted(unknown))}; known clouds: {known}")
    offers = [_offer(row, account) for row in rows if row.instance_type.provider in wanted]
    have_spot = {offer.provider for offer in offers if offer.capacity_type is CapacityType.SPOT}
    if "aws" in wanted and "aws" not in have_spot:
        offers.extend(_aws_spot(row, account) for row in rows if row.instance_type.provider == "aws")
    return tuple(offers)


def _offer(row: ListPrice, account: str) -> Offer:
    kind = row.instance_type
    provider = kind.provider
    return Offer(
        instance_type=replace(kind, quota_family=kind.accelerator),
        region=row.region,
        zone=row.zone,
        capacity_type=row.capacity_type,
        price_micro_usd_per_h=row.micro_usd_per_h,
        availability=Availability(),
        observed_at=datetime.combine(row.as_of, time(), UTC),
        source_kind=SourceKind.SIMULATED,
        source=f"list price of {provider} {row.as_of}; stock simulated",
        account=account,
        jurisdiction=row.jurisdiction,
        notice_s=NOTICE_S.get(provider, 0) if row.capacity_type.revocable else 0,
        launch_s=LAUNCH_S.get(provider, 120),
    )


def _aws_spot(row: ListPrice, account: str) -> Offer:
    price = max(1, round(row.micro_usd_per_h * AWS_SPOT_SHARE))
    spot = replace(row, capacity_type=CapacityType.SPOT, micro_usd_per_h=price)
    source = f"simulated spot at {AWS_SPOT_SHARE:.0%} of the aws list price {row.as_of}; stock simulated"
    return replace(_offer(spot, account), source=source)


def capabilities(cloud: str) -> Capabilities:
    """What a simulated cloud can do: everything but reservations; notices come from inside the machine."""
    return Capabilities(
        on_demand_prices=True,
        spot_prices=True,
        availability=AvailabilityKind.COUNT,
        quotas=True,
        launches=True,
        idempotent_launch=True,
        join=JoinMethod.PROCESS,
        notice_s=NOTICE_S.get(cloud, 0),
        freshness_target_s=30,
    )
