"""Publishes a price list as offers of unknown availability. Reads one file; knows no network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time
from pathlib import Path

from providers.pricelist import ListPrice, PriceList, bundled_price_list, read_price_list
from scheduler.domain.errors import InvalidInputError, ProviderDataError
from scheduler.domain.offer import Availability, Offer, SourceKind
from scheduler.domain.ports import Capabilities, OfferPage, Provider, ProviderSettings, Quarantined

FRESHNESS_TARGET_S = 400 * 86_400
"""List prices change a few times a year; the date stands on every row."""


class SnapshotSource:
    """A price list as an offer source; each cloud is a scope of its own."""

    def __init__(self, name: str, account: str, path: Path | None, clouds: tuple[str, ...], regions: tuple[str, ...]) -> None:
        """``path`` None reads the bundled list."""
        self._name, self._account, self._path, self._clouds, self._regions = name, account, path, clouds, regions

    async def read_offers(self) -> AsyncIterator[OfferPage]:
        """One complete page per cloud. Raises ProviderDataError where the file is no price list."""
        prices = await asyncio.to_thread(self._load)
        by_cloud: dict[str, list[Offer]] = {}
        for row in prices.rows:
            cloud = row.instance_type.provider
            if (not self._clouds or cloud in self._clouds) and (not self._regions or row.region in self._regions):
                by_cloud.setdefault(cloud, []).append(offer_of(row, self._account))
        bad: tuple[Quarantined, ...] = prices.quarantined
        for cloud, offers in sorted(by_cloud.items()):
            yield OfferPage(cloud, tuple(offers), bad, complete=True)
            bad = ()

    def _load(self) -> PriceList:
        if self._path is None:
            return bundled_price_list()
        try:
            with self._path.open(encoding="utf-8", newline="") as lines:
                return read_price_list(lines)
        except (OSError, ValueError) as error:
            raise ProviderDataError(self._name, f"price list {self._path.name}: {error}") from error


def offer_of(row: ListPrice, account: str) -> Offer:
    """A list price as an offer, seen on its day, available or not."""
    return Offer(
        instance_type=row.instance_type,
        region=row.region,
        zone=row.zone,
        capacity_type=row.capacity_type,
        price_micro_usd_per_h=row.micro_usd_per_h,
        availability=Availability(),
        observed_at=datetime.combine(row.as_of, time(), UTC),
        source_kind=SourceKind.SNAPSHOT,
        source=f"{row.source}, {row.as_of}",
        account=account,
        jurisdiction=row.jurisdiction,
    )


def build(settings: ProviderSettings) -> Provider:
    """The provider. Raises InvalidInputError where option ``file`` names no file."""
    named = settings.options.get("file", "")
    path = Path(named) if named else None
    if path is not None and not path.is_file():
        raise InvalidInputError("options.file", named, "no such file", "Name a CSV file with the columns of providers.pricelist.")
    clouds = tuple(part.strip() for part in settings.options.get("clouds", "").split(",") if part.strip())
    source = SnapshotSource(settings.name, settings.account, path, clouds, settings.regions)
    abilities = Capabilities(on_demand_prices=True, spot_prices=True, freshness_target_s=FRESHNESS_TARGET_S)
    return Provider(settings.name, settings.account, "List prices (snapshot)", abilities, source)
