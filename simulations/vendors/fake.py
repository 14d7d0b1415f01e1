"""What a fake of one cloud tells the proof about itself. Each cloud's module holds one subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

from scheduler.domain.offer import Offer
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.answers import Answer, Asked
from simulations.vendors.estate import Estate, PageExpiredError, Product, RefusedError
from simulations.vendors.server import FakeVendor, Route, Trouble

CLOCK_SKEW_S_MAX = 300
"""How far off a signed request's time may be; the usual allowance of vendors that sign."""

__all__ = ["Answer", "Asked", "Estate", "Fake", "PageExpiredError", "Product", "RefusedError", "Seen"]


@dataclass(frozen=True)
class Seen:
    """One thing for sale, as a reader understood it: our adapter or the vendor's SDK.

    Attributes:
        place: region or zone. micro_usd_per_h: None where the SDK tells no price. stock: in words of ``Availability.text``, None
            where the SDK tells none.
    """

    instance_type: str
    place: str
    spot: bool
    micro_usd_per_h: int | None
    stock: str | None


class Fake(ABC):
    """One vendor, played. Subclasses say what their vendor does; where a flag is False the faults behind it do not apply.

    Attributes:
        kind: the adapter's entry point. sdk: the vendor's SDK on PyPI, "" where none is used here.
        schema: what every request and answer is validated against, "" where only the vendor's pages were read.
        paged: offers come in pages; machines_paged: at least machines do.
        regional: offers are read region by region, so that one may fail alone.
        signed: requests carry their time and are refused when it is off. late_stockouts: a launch may be accepted and then fail.
        launches: machines can be launched. priced: prices come from the API and not from a table in the adapter.
        names_gpus: the API says which GPU is in a type. troubles: those that its transport can have.
        portable: its credentials are words, not keys or files of the process that made them.
        scalable: its products may be many, under any names.
        assumed: faults whose wording no source of the vendor's shows, with what was assumed: they prove our reading of it only.
    """

    kind: ClassVar[str]
    sdk: ClassVar[str] = ""
    schema: ClassVar[str] = ""
    paged: ClassVar[bool] = False
    machines_paged: ClassVar[bool] = False
    regional: ClassVar[bool] = False
    signed: ClassVar[bool] = False
    late_stockouts: ClassVar[bool] = False
    launches: ClassVar[bool] = True
    priced: ClassVar[bool] = True
    names_gpus: ClassVar[bool] = True
    troubles: ClassVar[frozenset[Trouble]] = frozenset(Trouble)
    portable: ClassVar[bool] = True
    scalable: ClassVar[bool] = False
    assumed: ClassVar[Mapping[str, str]] = {}

    def __init__(self, estate: Estate | None = None) -> None:
        self.estate = estate or Estate(list(self.products()))

    # what it sells --------------------------------------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def products(cls) -> Sequence[Product]:
        """At least three, the first a GPU of more than 2 USD per hour each (faults spoil it), the second launchable.

        Stock in at least two places where the vendor has places.
        """

    # how it is reached ----------------------------------------------------------------------------------------------------------

    def settings(self, url: str) -> ProviderSettings:
        """How a person would set the adapter up against this fake; what reads it sets ``options.timeout_s``."""
        return ProviderSettings(self.kind, self.kind, account="main", endpoint=url)

    def environ(self) -> Mapping[str, str]:
        """Credentials that the fake accepts."""
        return {}

    def routes(self) -> list[Route]:
        """The vendor's calls: method, path pattern, handler. A call that is not here is a violation; none for other protocols."""
        return []

    def serve(self, *, latency_s: float = 0.0) -> FakeVendor:
        """The server, not yet started."""
        return FakeVendor(self.routes(), spoilt=self.spoilt, check=self.check, latency_s=latency_s)

    def check(self, asked: Asked, answer: Answer) -> None:
        """Validate one request and its answer against the vendor's own model; raise what does not fit. Nothing by default."""
        return

    def grow(self) -> None:
        """Answer in pages and files of the vendor's size; nothing where they are so already. For benchmarks."""
        return

    # how it words things --------------------------------------------------------------------------------------------------------

    def spoilt(self, status: int) -> Answer:
        """The vendor's wording of 401, 429, 500 and 503."""
        return Answer({"message": f"HTTP {status}"}, status)

    def is_launch(self, asked: Asked) -> bool:
        """Whether this request launches a machine."""
        return asked.method in ("POST", "PUT") and not self.is_sign_in(asked)

    def is_release(self, asked: Asked) -> bool:
        """Whether this request releases a machine."""
        return asked.method == "DELETE"

    def is_sign_in(self, asked: Asked) -> bool:
        """Whether this request only fetches credentials; faults leave it alone."""
        return False

    def is_read(self, asked: Asked) -> bool:
        return not (self.is_launch(asked) or self.is_release(asked) or self.is_sign_in(asked))

    def region_of(self, asked: Asked) -> str:
        """The region a read is about, "" where it is about all."""
        return ""

    # what others see ------------------------------------------------------------------------------------------------------------

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        """Read this fake through the vendor's own SDK, its objects and its units; nothing where ``sdk`` is ""."""
        return ()

    def seen(self, offer: Offer) -> Seen:
        """An offer of ours in the same words."""
        spot = offer.capacity_type.revocable
        return Seen(offer.instance_type.name, offer.zone, spot, offer.price_micro_usd_per_h, offer.availability.text())

    @classmethod
    def sdk_version(cls) -> str:
        """Name and version of the SDK, "" where it is not installed."""
        if not cls.sdk:
            return ""
        try:
            return f"{cls.sdk} {version(cls.sdk)}"
        except PackageNotFoundError:
            return ""


def bearer(asked: Asked, key: str) -> bool:
    """Whether a request carries the key as bearer token."""
    return asked.headers.get("authorization") == f"Bearer {key}"


def system_clock() -> datetime:
    """A vendor's clock is its own."""
    return datetime.now(tz=UTC)  # noqa: TID251


def timely(stamp: datetime) -> bool:
    """Whether a signed request's time is near enough."""
    return abs((system_clock() - stamp).total_seconds()) <= CLOCK_SKEW_S_MAX
