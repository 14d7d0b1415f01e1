"""Providers and offers: what could be rented, at what price, known from where and how fresh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from scheduler.api.auth import Viewer
from scheduler.api.services import Use
from scheduler.domain.evidence import Exposure
from scheduler.domain.offer import Offer
from scheduler.domain.snapshot import LaunchCap, ProviderStatus
from scheduler.domain.stores import HistoryPoint, OfferFilter, Problem
from scheduler.domain.units import usd
from scheduler.inventory.evidence import hazard, held_back
from scheduler.inventory.stats import PriceStats, price_stats

router = APIRouter(prefix="/v1", tags=["market"])


@dataclass(frozen=True, slots=True)
class OfferOut:
    """An offer as the API shows it; money in USD beside the exact integer."""

    id: str
    provider: str
    account: str
    region: str
    zone: str
    jurisdiction: str
    instance_type: str
    accelerator: str
    accelerator_count: int
    vcpus: int
    memory_gib: float
    capacity_type: str
    price_micro_usd_per_h: int
    usd_per_h: float
    usd_per_gpu_h: float
    availability: str
    observed_at: datetime
    source_kind: str
    source: str

    @staticmethod
    def of(offer: Offer) -> OfferOut:
        kind = offer.instance_type
        return OfferOut(
            offer.id, offer.provider, offer.account, offer.region, offer.zone, offer.jurisdiction, kind.name, kind.accelerator,
            kind.accelerator_count, kind.vcpus, kind.memory_gib, offer.capacity_type.value, offer.price_micro_usd_per_h,
            usd(offer.price_micro_usd_per_h), usd(offer.price_micro_usd_per_gpu_h), offer.availability.text(), offer.observed_at,
            offer.source_kind.value, offer.source,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OfferList:
    """One page of offers."""

    total: int
    offset: int
    limit: int
    offers: list[OfferOut]


@router.get("/providers")
async def providers(_: Viewer, use: Use) -> list[ProviderStatus]:
    """Every feed with its freshness, what failed and what was quarantined."""
    return list(await use.stores.offers.statuses())


@router.get("/offers")
async def offers(
    _: Viewer,
    use: Use,
    provider: str = "",
    region: str = "",
    accelerator: str = "",
    capacity_type: Literal["", "on-demand", "spot", "reserved", "capacity-block"] = "",
    text: Annotated[str, Query(max_length=200)] = "",
    at: datetime | None = None,
    sort: Literal[
        "price", "gpu_price", "provider", "region", "zone", "accelerator", "type", "capacity", "availability", "observed"
    ] = "price",
    descending: bool = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> OfferList:
    """Offers, filtered, sorted and paged; ``at`` shows the market as it was then."""
    query = OfferFilter(provider, region, accelerator, capacity_type, text, at, sort, descending, limit, offset)
    found, total = await use.stores.offers.list_offers(query)
    return OfferList(total, offset, limit, [OfferOut.of(offer) for offer in found])


@router.get("/offers/history")
async def history(_: Viewer, use: Use, offer: str, hours: Annotated[float, Query(gt=0, le=24 * 365)] = 24) -> list[HistoryPoint]:
    """How an offer's price and availability changed; one point per change."""
    return list(await use.stores.offers.history(offer, use.clock() - timedelta(hours=hours)))


@dataclass(frozen=True, slots=True)
class OfferStats:
    """How an offer behaved over a window.

    Attributes:
        price: None where nothing is known of the window.
        node_hours, interruptions: of our own nodes. interruptions_per_h: the rate that decisions use, None where unknown.
    """

    offer: str
    hours: float
    price: PriceStats | None
    node_hours: float
    interruptions: int
    interruptions_per_h: float | None


@router.get("/offers/stats")
async def stats(_: Viewer, use: Use, offer: str, hours: Annotated[float, Query(gt=0, le=24 * 365)] = 24 * 14) -> OfferStats:
    """Price level and volatility, and how our own nodes of this offer fared."""
    now = use.clock()
    since = now - timedelta(hours=hours)
    exposure = (await use.stores.evidence.exposures(since, now)).get(offer)
    found, _total = await use.stores.offers.list_offers(OfferFilter(offer_id=offer, limit=1))
    rate = hazard(found[0], exposure) if found else None
    seen = exposure or Exposure(0.0, 0)
    price = price_stats(await use.stores.offers.history(offer, since), since, now)
    return OfferStats(offer, hours, price, seen.node_hours, seen.interruptions, rate)


@router.get("/providers/problems")
async def provider_problems(_: Viewer, use: Use, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[Problem]:
    """Rows of providers' answers that could not be trusted, newest first, with the reason."""
    return list(await use.stores.offers.problems(limit))


@router.get("/caps")
async def caps(_: Viewer, use: Use) -> dict[str, LaunchCap]:
    """What is left alone at present: offers, quotas and accounts that refused a launch, until when and why."""
    now = use.clock()
    return dict(held_back(await use.stores.evidence.records(now), now))
