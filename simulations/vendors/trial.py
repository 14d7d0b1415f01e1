"""One adapter against one fake: what was read, what was launched, and what is compared with an undisturbed reading."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from scheduler.bootstrap.registry import load_provider
from scheduler.domain.errors import ProviderError
from scheduler.domain.offer import Offer
from scheduler.domain.ports import Budget, CloudNode, LaunchRequest, NodeLauncher, OfferPage, Provider
from simulations.vendors.estate import Product
from simulations.vendors.fake import Asked, Fake, system_clock
from simulations.vendors.server import FakeVendor, Mischief, Trouble

TOKEN = "hr-proof-0001"  # noqa: S105 - a launch token is no secret

PATIENT_S = 60.0
"""What one call may take: far more than a fake needs, so that a busy machine is not taken for a broken cloud."""
HURRIED_S = 0.5
"""What one call may take where the answer never ends: nothing is learnt by waiting longer."""


class NotHeldError(Exception):
    """A promise was broken; the message says which."""


class NoPace:
    """Never waits: a fake has no rate limit unless it plays one."""

    async def take(self, budget: Budget) -> None:
        return


@dataclass
class Walk:
    """One reading: its pages and the error that ended it early."""

    pages: list[OfferPage] = field(default_factory=list)
    error: Exception | None = None

    @property
    def offers(self) -> dict[str, Offer]:
        return {offer.id: offer for page in self.pages for offer in page.offers}

    @property
    def completed(self) -> set[str]:
        return {page.scope for page in self.pages if page.complete and not page.error}

    @property
    def failed(self) -> dict[str, str]:
        return {page.scope: page.error for page in self.pages if page.error}

    @property
    def quarantined(self) -> list[str]:
        return [f"{row.row}: {row.reason}" for page in self.pages for row in page.quarantined]

    @property
    def whole(self) -> bool:
        return self.error is None and not self.failed


class Trial:
    """A fake, a fresh adapter. ``now_off_s`` shifts the adapter's clock; each of its calls may take ``timeout_s``."""

    def __init__(self, fake: Fake, server: FakeVendor, now_off_s: float = 0.0, timeout_s: float = PATIENT_S) -> None:
        self.fake, self.server = fake, server
        given = fake.settings(server.url)
        settings = replace(given, options={**given.options, "timeout_s": str(timeout_s)})
        self.provider: Provider = load_provider(settings, fake.environ(), lambda: system_clock() + timedelta(seconds=now_off_s), NoPace())

    def hurried(self) -> Trial:
        """The same fake before another adapter, which soon gives up waiting."""
        return Trial(self.fake, self.server, timeout_s=HURRIED_S)

    @property
    def launcher(self) -> NodeLauncher:
        if self.provider.launcher is None:
            raise NotHeldError("the adapter declares launches and has no launcher")
        return self.provider.launcher

    async def walk(self) -> Walk:
        """Read all offers once."""
        found = Walk()
        try:
            async for page in self.provider.offers.read_offers():
                found.pages.append(page)
        except ProviderError as error:
            found.error = error
        return found

    def trouble(
        self, trouble: Trouble, hits: Callable[[Asked], bool], *, times: int = 1_000_000, skip: int = 0, after: bool = False
    ) -> None:
        """Make trouble for the requests that ``hits`` names."""
        self.server.mischief.append(Mischief(trouble, hits, times, skip, after))

    def spoil(self, **words: object) -> str:
        """Change fields of the first product; returns its name."""
        first: Product = self.fake.estate.products[0]
        self.fake.estate.products[0] = replace(first, **words)  # type: ignore[arg-type]
        return first.name

    async def request(self) -> LaunchRequest:
        """An order for the second product, on demand where it is sold so."""
        name = self.fake.estate.products[1].name
        fits = [offer for offer in (await self.walk()).offers.values() if offer.instance_type.name == name]
        if not fits:
            raise NotHeldError(f"no offer of {name} to launch")
        offer = min(fits, key=lambda offer: (offer.capacity_type.revocable, offer.availability.sold_out, offer.id))
        return LaunchRequest("node-1", "cluster-1", TOKEN, offer, "#!/bin/sh\necho joined\n")

    async def find(self) -> list[CloudNode]:
        """Living machines that carry the token."""
        return [node for node in await self.launcher.find(TOKEN) if node.running]


@contextlib.asynccontextmanager
async def trial(kind: type[Fake], *, now_off_s: float = 0.0) -> AsyncIterator[Trial]:
    """Serve a fresh fake of this cloud and build its adapter."""
    fake = kind()
    with fake.serve() as server:
        yield Trial(fake, server, now_off_s)


def hold(promise: bool, otherwise: str) -> None:
    """Raises NotHeldError where the promise is broken."""
    if not promise:
        raise NotHeldError(otherwise)


def same(walk: Walk, before: Walk, without: str = "") -> None:
    """The readings agree in offers and prices, apart from one instance type."""
    old = {key: offer.price_micro_usd_per_h for key, offer in before.offers.items() if offer.instance_type.name != without}
    new = {key: offer.price_micro_usd_per_h for key, offer in walk.offers.items() if offer.instance_type.name != without}
    hold(old == new, f"offers differ: {len(new)} instead of {len(old)}; first {next(iter(old.items() ^ new.items()), None)}")


def nothing_vanished(walk: Walk, before: Walk) -> None:
    """No scope counts as completely read that lacks an offer it had: the inventory would delete it."""
    scope_of = {offer.id: page.scope for page in before.pages for offer in page.offers}
    gone = [key for key, scope in scope_of.items() if scope in walk.completed and key not in walk.offers]
    hold(not gone, f"{len(gone)} offers would vanish, such as {gone[:1]}")
    dearer = {key: offer.price_micro_usd_per_h for key, offer in walk.offers.items() if key in before.offers}
    wrong = [key for key, price in dearer.items() if price != before.offers[key].price_micro_usd_per_h]
    hold(not wrong, f"prices changed: {wrong[:1]}")
